package envtest

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// sharedMemory is where files live in memory.
const sharedMemory = "/dev/shm"

// roomWanted is what a few servers may write in a long test.
const roomWanted = 2 << 30

// memoryDir returns a folder in memory with room, or nothing.
func memoryDir() string {
	var fs unix.Statfs_t
	if err := unix.Statfs(sharedMemory, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < roomWanted {
		return ""
	}
	if unix.Access(sharedMemory, unix.W_OK) != nil {
		return ""
	}
	return sharedMemory
}

// prepareSpawn has the kernel kill the child when the thread that started it
// goes, which is why startProcess keeps that thread.
func prepareSpawn(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// guard has nothing left to do.
func guard(*exec.Cmd) (release func(), err error) { return func() {}, nil }
