package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// consent is what commands that end something ask for.
type consent struct {
	yes    bool
	dryRun bool
}

func (c *consent) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVarP(&c.yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&c.dryRun, "dry-run", false, "say what would be done, and do nothing")
}

var errDeclined = errors.New("not confirmed; nothing was done")

// ask asks a person. Where there is none, --yes is needed.
func (c *consent) ask(s *session, question string) error {
	if c.yes {
		return nil
	}
	if !isTerminal(s.in) {
		return errors.New("there is nobody to confirm: " + question + " Pass --yes to do it, or --dry-run to see more")
	}
	_, _ = fmt.Fprintf(s.errOut, "%s [y/N] ", question)
	answer, err := bufio.NewReader(s.in).ReadString('\n')
	if err != nil || !strings.EqualFold(strings.TrimSpace(answer), "y") && !strings.EqualFold(strings.TrimSpace(answer), "yes") {
		return errDeclined
	}
	return nil
}
