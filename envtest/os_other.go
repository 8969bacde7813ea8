//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package envtest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// The servers run on Linux, macOS and the BSDs. The package compiles elsewhere,
// so that a program that imports it does too.
var errUnsupported = errors.New("servers run on Linux, macOS and the BSDs only: use one of these, or a container")

func flock(*os.File) error            { return errUnsupported }
func terminate(*exec.Cmd) error       { return errUnsupported }
func freeze(*exec.Cmd) error          { return errUnsupported }
func thaw(*exec.Cmd) error            { return errUnsupported }
func kill(*exec.Cmd) error            { return errUnsupported }
func holdPort() (int, func(), error)  { return 0, nil, errUnsupported }
func prepareSpawn(*exec.Cmd)          {}
func guard(*exec.Cmd) (func(), error) { return nil, errUnsupported }

// memoryDir finds no file system in memory here.
func memoryDir() string { return "" }

func sharePort(string, string, syscall.RawConn) error { return errUnsupported }
