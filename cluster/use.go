package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

const (
	// usePath is where metrics-server, or what stands in for it, says what nodes
	// use: https://github.com/kubernetes/metrics/tree/master/pkg/apis/metrics/v1beta1
	usePath = "/apis/metrics.k8s.io/v1beta1/nodes"
	// usePeriod is how often it is asked; metrics-server itself asks the
	// kubelets every fifteen seconds.
	usePeriod = time.Minute
	// maxUseBytes bounds the answer: some 10,000 nodes.
	maxUseBytes = 8 << 20
)

// errNoUse says that nobody tells what the nodes of a cluster use.
var errNoUse = errors.New("metrics.k8s.io is not served")

// inUse is what the nodes that count use, as of the oldest measurement.
type inUse struct {
	amount Resources
	at     time.Time
}

// watchUse asks what the nodes use, again and again until ctx is done. Where
// metrics-server is missing or may not be asked, nothing is known, and it is
// looked for as rarely as new APIs are.
func watchUse(ctx context.Context, r *readings) {
	for ctx.Err() == nil {
		wait := usePeriod
		items, err := readUse(ctx, r.session.link)
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errNoUse):
			wait = max(wait, r.fleet.opts.refresh)
			r.used(nil)
		case err != nil:
			// What was known is kept; its age is told with it.
			log.FromContext(ctx).V(1).Info("reading what nodes use failed, will try again", "physicalCluster", r.member.name, "error", err.Error())
			r.fleet.metrics.readErrors.WithLabelValues(r.member.name, "use").Inc()
		default:
			r.used(items)
		}
		sleep(ctx, jitter(wait))
	}
}

// nodeInUse is what is read of a NodeMetrics object.
type nodeInUse struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Timestamp metav1.Time         `json:"timestamp"`
	Usage     corev1.ResourceList `json:"usage"`
}

// readUse asks once.
func readUse(ctx context.Context, l *link) ([]nodeInUse, error) {
	ctx, cancel := context.WithTimeout(ctx, discoveryTimeout)
	defer cancel()
	status, body, _, err := fetch(ctx, l, usePath, maxUseBytes+1)
	switch {
	case err != nil:
		return nil, err
	case status == http.StatusNotFound || status == http.StatusForbidden:
		return nil, errNoUse
	case status != http.StatusOK:
		return nil, fmt.Errorf("GET %s: %s", usePath, statusText(status, body))
	case len(body) > maxUseBytes:
		return nil, fmt.Errorf("GET %s: the answer is larger than %d bytes", usePath, maxUseBytes)
	}
	var list struct {
		Items []nodeInUse `json:"items"`
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, fmt.Errorf("decode answer of metrics-server: %w", err)
	}
	return list.Items, nil
}

// used notes what the nodes use; nil, that nobody tells.
func (r *readings) used(items []nodeInUse) {
	r.usage.setInUse(items)
	r.capacityChanged()
}

// usedOf returns what the nodes use as it is told of; nil if nobody tells.
func usedOf(st *State) (corev1.ResourceList, *metav1.Time) {
	if st.UsedAt.IsZero() {
		return nil, nil
	}
	at := metav1.NewTime(st.UsedAt)
	return st.Used.List(), &at
}

// setInUse sums over the nodes that count, so that the sum compares with what
// they offer.
func (u *usage) setInUse(items []nodeInUse) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.inUse = inUse{}
	for i := range items {
		item := &items[i]
		node, ok := u.nodes[item.Metadata.Name]
		if !ok || !node.counted {
			continue
		}
		amount := ResourcesOf(item.Usage)
		u.inUse.amount.MilliCPU += max(amount.MilliCPU, 0)
		u.inUse.amount.Memory += max(amount.Memory, 0)
		if at := item.Timestamp.Time; u.inUse.at.IsZero() || at.Before(u.inUse.at) {
			u.inUse.at = at
		}
	}
}
