package cluster

import (
	"errors"
	"net/http"
)

// errFleetNotSynced is what Ready says at first.
var errFleetNotSynced = errors.New("the fleet is not known yet: its sources have not reported, or clusters have not been probed")

// Ready is a healthz.Checker: an error until every source has reported and
// every cluster registered by then has been probed. Clusters that don't answer
// don't make a controller unready: it is there to act on that.
func (f *Fleet) Ready(*http.Request) error {
	select {
	case <-f.synced:
		return nil
	default:
		return errFleetNotSynced
	}
}
