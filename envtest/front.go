package envtest

import "strconv"

// A front is the address of an API server: the same through all restarts.
type front struct {
	*access         // through the proxy
	direct  *access // past it
	port    int     // what the server listens on
}

// newFront takes the server's port and puts a proxy before it. The instance
// gives both back when it is closed.
func (i *instance) newFront(adminGroup string) (front, error) {
	port, release, err := holdPort()
	if err != nil {
		return front{}, err
	}
	i.closers = append(i.closers, release)
	backend := "127.0.0.1:" + strconv.Itoa(port)
	if i.proxy, err = newProxy(backend); err != nil {
		return front{}, err
	}
	outside, err := newAccess(i.name, i.proxy.Addr(), adminGroup)
	if err != nil {
		return front{}, err
	}
	if i.proxy.relay, err = newRelay(outside.ca, backend); err != nil {
		return front{}, err
	}
	direct := &access{ca: outside.ca, admin: outside.admin, addr: backend}
	return front{access: outside, direct: direct, port: port}, nil
}
