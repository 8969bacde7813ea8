package plan

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Ask asks the handler at a URL: what would be done now, for a nil request, and else
// what would follow. The client brings the credentials. An error has what the
// controller said.
func Ask(ctx context.Context, c *http.Client, url string, q *Request) (*Answer, error) {
	method, body := http.MethodGet, []byte(nil)
	if q != nil {
		var err error
		if body, err = json.Marshal(q); err != nil {
			return nil, fmt.Errorf("plan: write the request: %w", err)
		}
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.Do(req)
	if err != nil {
		return nil, fmt.Errorf("plan: ask the controller: %w", err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is read to the end
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		return nil, fmt.Errorf("plan: the controller at %s said %s: %s", url, resp.Status, strings.TrimSpace(string(text)))
	}
	a := &Answer{}
	if err := json.NewDecoder(resp.Body).Decode(a); err != nil {
		return nil, fmt.Errorf("plan: read the answer of %s: %w", url, err)
	}
	return a, nil
}
