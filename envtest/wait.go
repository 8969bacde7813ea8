package envtest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const waitPoll = 100 * time.Millisecond

// waitFor asks until the answer is no error. When ctx ends, its error names
// what was waited for and the last answer.
func waitFor(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	ticker := time.NewTicker(waitPoll)
	defer ticker.Stop()
	last := errors.New("none")
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil { // else it is only the end of ctx that err tells
			last = err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w; last answer: %w", what, context.Cause(ctx), last)
		case <-ticker.C:
		}
	}
}
