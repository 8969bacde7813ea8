package envtest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// echo is a server that answers each line with the same line.
func echo(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(conn, conn)
				_ = conn.Close()
			}()
		}
	}()
	return listener.Addr().String()
}

func startProxy(t *testing.T, backend string) *Proxy {
	t.Helper()
	p, err := newProxy(backend)
	require.NoError(t, err)
	t.Cleanup(p.close)
	require.NoError(t, p.setUp(true))
	return p
}

type lineConn struct {
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, p *Proxy) *lineConn {
	t.Helper()
	c, err := tryDial(t, p)
	require.NoError(t, err)
	return c
}

func tryDial(t *testing.T, p *Proxy) (*lineConn, error) {
	t.Helper()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &lineConn{Conn: conn, r: bufio.NewReader(conn)}, nil
}

// ask makes a connection for one line.
func ask(t *testing.T, p *Proxy) error {
	t.Helper()
	c, err := tryDial(t, p)
	if err != nil {
		return err
	}
	_, err = c.say("anybody?", soon)
	return err
}

// say sends a line and returns how long its echo took, or the error.
func (c *lineConn) say(line string, patience time.Duration) (time.Duration, error) {
	start := time.Now()
	if err := c.SetDeadline(start.Add(patience)); err != nil {
		return 0, err
	}
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return 0, err
	}
	_, err := c.r.ReadString('\n')
	return time.Since(start), err
}

const (
	soon  = 5 * time.Second        // for what must happen
	never = 150 * time.Millisecond // for what must not
)

func isTimeout(err error) bool {
	var netErr net.Error
	return errors.As(err, &netErr) && netErr.Timeout()
}

func TestACutSwallowsAndAHealDelivers(t *testing.T) {
	p := startProxy(t, echo(t))
	old := dial(t, p)
	_, err := old.say("hello", soon)
	require.NoError(t, err)

	p.Cut()
	_, err = old.say("swallowed", never)
	require.True(t, isTimeout(err), "a live connection hangs: %v", err)
	fresh := dial(t, p)
	_, err = fresh.say("swallowed too", never)
	require.True(t, isTimeout(err), "a new connection hangs: %v", err)

	p.Heal()
	for c, want := range map[*lineConn]string{old: "swallowed\n", fresh: "swallowed too\n"} {
		require.NoError(t, c.SetDeadline(time.Now().Add(soon)))
		got, err := c.r.ReadString('\n')
		require.NoError(t, err)
		assert.Equal(t, want, got, "nothing is lost")
	}
}

func TestDelayActsOnLiveConnections(t *testing.T) {
	p := startProxy(t, echo(t))
	c := dial(t, p)
	_, err := c.say("hello", soon)
	require.NoError(t, err)
	p.Delay(300 * time.Millisecond)
	took, err := c.say("slow", soon)
	require.NoError(t, err)
	assert.GreaterOrEqual(t, took, 600*time.Millisecond, "there and back")
	p.Heal()
	took, err = c.say("fast", soon)
	require.NoError(t, err)
	assert.Less(t, took, 300*time.Millisecond)
}

func TestLimitIsSharedByAllConnections(t *testing.T) {
	p := startProxy(t, echo(t))
	a, b := dial(t, p), dial(t, p)
	p.Limit(10_000)
	line := string(make([]byte, 1_000))
	start := time.Now()
	done := make(chan error, 2)
	for _, c := range []*lineConn{a, b} {
		go func() {
			_, err := c.say(line, soon)
			done <- err
		}()
	}
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	assert.GreaterOrEqual(t, time.Since(start), 200*time.Millisecond, "2 kB at 10 kB/s")
}

func TestResetIsOnceAndRefuseLasts(t *testing.T) {
	p := startProxy(t, echo(t))
	c := dial(t, p)
	_, err := c.say("hello", soon)
	require.NoError(t, err)
	assert.Equal(t, 1, p.Connections())

	p.Reset()
	_, err = c.say("broken", soon)
	require.Error(t, err)
	require.False(t, isTimeout(err), "a reset is seen at once")
	again := dial(t, p)
	_, err = again.say("new connections work", soon)
	require.NoError(t, err)

	p.Refuse()
	_, err = again.say("broken", soon)
	require.Error(t, err)
	require.ErrorIs(t, ask(t, p), syscall.ECONNREFUSED)
	p.Heal()
	require.NoError(t, ask(t, p))
}

func TestAServerThatIsDownRefusesUnlessItCannotBeReached(t *testing.T) {
	p := startProxy(t, echo(t))
	require.NoError(t, p.setUp(false))
	require.ErrorIs(t, ask(t, p), syscall.ECONNREFUSED)
	p.Cut()
	c := dial(t, p)
	_, err := c.say("anybody?", never)
	require.True(t, isTimeout(err), "%v", err)
	require.NoError(t, p.setUp(true))
	p.Heal()
	require.NoError(t, ask(t, p))
}

func TestACrashedServerResetsItsClients(t *testing.T) {
	port, release, err := holdPort()
	require.NoError(t, err)
	defer release()
	p := startProxy(t, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	err = ask(t, p)
	require.Error(t, err)
	require.False(t, isTimeout(err), "nobody waits for a server that is not there: %v", err)
}
