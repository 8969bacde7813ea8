package view

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauthorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// How long an answer of kcp counts, how many are kept, and how long kcp has to
// answer.
const (
	remembered  = 10 * time.Second
	mostAnswers = 4096
	askTimeout  = 5 * time.Second
)

// Delegated returns a Gate that asks kcp, in the name of who asks: with the
// bearer token of the request, by a SelfSubjectAccessReview. For a tenant the
// question is whether they may list Placements in its workspace; for
// everything, whether they may list PhysicalClusters in the platform's.
//
// The config says where kcp is and how to verify it; its credentials are not
// used. The path is that of the platform's workspace, as "root:platform".
func Delegated(kcp *rest.Config, platform string) Gate {
	return &delegated{config: rest.AnonymousClientConfig(kcp), platform: platform, now: time.Now, answers: map[question]answer{}}
}

type delegated struct {
	config   *rest.Config
	platform string
	now      func() time.Time

	mu      sync.Mutex
	answers map[question]answer
}

// question is who wants to see what. Tokens are not kept.
type question struct {
	token  [sha256.Size]byte
	tenant string
}

type answer struct {
	err     error
	expires time.Time
}

var _ Gate = (*delegated)(nil)

// Admit implements Gate.
func (d *delegated) Admit(r *http.Request, tenant string) error {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return ErrUnauthenticated
	}
	q := question{sha256.Sum256([]byte(token)), tenant}
	d.mu.Lock()
	known, ok := d.answers[q]
	d.mu.Unlock()
	if ok && d.now().Before(known.expires) {
		return known.err
	}
	err := d.ask(r.Context(), token, tenant)
	if err == nil || isFinal(err) {
		d.remember(q, err)
	}
	return err
}

// isFinal says whether an error is an answer.
func isFinal(err error) bool { return err == ErrDenied || err == ErrUnauthenticated } //nolint:errorlint // exactly ours

func (d *delegated) remember(q question, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if len(d.answers) >= mostAnswers {
		for old, a := range d.answers {
			if !now.Before(a.expires) {
				delete(d.answers, old)
			}
		}
		if len(d.answers) >= mostAnswers {
			clear(d.answers)
		}
	}
	d.answers[q] = answer{err, now.Add(remembered)}
}

// ask kcp, as who asks.
func (d *delegated) ask(ctx context.Context, token, tenant string) error {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	workspace, attributes := tenant, &authorizationv1.ResourceAttributes{Verb: "list", Group: "placement.tmc-sdk.dev", Resource: "placements"}
	if tenant == "" {
		workspace, attributes = d.platform, &authorizationv1.ResourceAttributes{Verb: "list", Group: v1alpha1.Group, Resource: "physicalclusters"}
	}
	cfg := rest.CopyConfig(d.config)
	server, _, _ := strings.Cut(cfg.Host, "/clusters/") // whatever workspace the config leads to
	cfg.Host = strings.TrimSuffix(server, "/") + "/clusters/" + workspace
	cfg.BearerToken = token
	api, err := clientauthorizationv1.NewForConfig(cfg)
	if err != nil {
		return fmt.Errorf("build client: %w", err)
	}
	review, err := api.SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: attributes},
	}, metav1.CreateOptions{})
	switch {
	case apierrors.IsUnauthorized(err):
		return ErrUnauthenticated
	case apierrors.IsForbidden(err), apierrors.IsNotFound(err):
		// Not a member of the workspace, or there is none: the same to them.
		return ErrDenied
	case err != nil:
		return fmt.Errorf("ask kcp: %w", err)
	case !review.Status.Allowed:
		return ErrDenied
	}
	return nil
}
