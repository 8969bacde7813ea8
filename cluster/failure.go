package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
)

// describe says what failed, the same way each time: messages end up in
// conditions, and one that names a local port or a duration would change with
// each attempt.
func describe(err error) string {
	var (
		netErr *net.OpError
		urlErr *url.Error
		dnsErr *net.DNSError
	)
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.As(err, &dnsErr):
		return fmt.Sprintf("look up %s: %s", dnsErr.Name, dnsErr.Err)
	case errors.As(err, &netErr):
		text := netErr.Op
		if netErr.Addr != nil {
			text += " " + netErr.Addr.String()
		}
		return clip(fmt.Sprintf("%s: %v", text, netErr.Err), 256)
	case errors.As(err, &urlErr):
		return clip(fmt.Sprintf("%s %s: %v", urlErr.Op, urlErr.URL, urlErr.Err), 256)
	}
	return clip(err.Error(), 256)
}
