package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	kcpapisv1alpha1 "github.com/kcp-dev/sdk/apis/apis/v1alpha1"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/mailbox"
	"github.com/tmc-sdk/tmc/cluster/pull"
	tmcenvtest "github.com/tmc-sdk/tmc/envtest"
)

// post is a platform's workspace with the mailboxes of clusters.
type post struct {
	t         *testing.T
	kcp       *tmcenvtest.KCP
	platform  tmcenvtest.Workspace
	mailboxes *pull.Workspaces
}

func newPost(t *testing.T, clusters ...string) *post {
	t.Helper()
	tree, err := sharedKCP(t).CreateTree(t.Context(), "post")
	require.NoError(t, err)
	p := &post{t: t, kcp: sharedKCP(t), platform: tree[0]}
	s, err := tmcenvtest.Schema(deploymentKind, "deployments")
	require.NoError(t, err)
	require.NoError(t, p.kcp.Export(t.Context(), p.platform.Path, tmcenvtest.APIExport{Name: "tmc", Schemas: []*kcpapisv1alpha1.APIResourceSchema{s}}))
	p.mailboxes, err = pull.NewWorkspaces(p.kcp.Config(p.platform.Path), "tmc", deployments, configmaps)
	require.NoError(t, err)
	for _, cluster := range clusters {
		eventually(t, "mailbox of "+cluster, func() error { return p.mailboxes.Ensure(t.Context(), cluster) })
	}
	return p
}

// mailbox returns the way to a mailbox as its admin.
func (p *post) mailbox(cluster string) *rest.Config {
	p.t.Helper()
	cfg, err := p.mailboxes.Config(p.t.Context(), cluster)
	require.NoError(p.t, err)
	return cfg
}

func (p *post) token(cluster string) *pull.Way {
	p.t.Helper()
	var w *pull.Way
	eventually(p.t, "token for "+cluster, func() (err error) {
		w, err = pull.NewToken(p.t.Context(), p.mailbox(cluster), cluster)
		return err
	})
	return w
}

func (p *post) join(cluster string) (*pull.Credentials, *memory) {
	p.t.Helper()
	store := &memory{}
	var credentials *pull.Credentials
	w := p.token(cluster)
	eventually(p.t, "join "+cluster, func() (err error) {
		credentials, err = pull.Join(p.t.Context(), w, store)
		return err
	})
	return credentials, store
}

func clientOf(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(cfg, client.Options{})
	require.NoError(t, err)
	return c
}

func deploymentIn(namespace, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{
		"selector": map[string]any{"matchLabels": map[string]any{"app": name}},
		"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": name}}, "spec": map[string]any{"containers": []any{map[string]any{"name": "main", "image": "a"}}}},
	}}}
	u.SetGroupVersionKind(deploymentKind)
	u.SetNamespace(namespace)
	u.SetName(name)
	u.SetLabels(map[string]string{"tmc-sdk.dev/installation": "prod"})
	return u
}

// What package pull promises of mailboxes in kcp. It is tested here, in the kcp that
// the agents' tests start, for servers are dear; one platform, for workspaces are.
func TestMailboxesInKcp(t *testing.T) {
	t.Parallel()
	p := newPost(t, "eu-1", "us-1")
	t.Run("an agent joins once and renews itself", p.joins)
	t.Run("wrong tokens are refused", p.refusesTokens)
	t.Run("an agent reaches its mailbox alone", p.reachesOne)
	t.Run("a mailbox is closed without a word to its agent", p.closes)
}

// Not in parallel with the others: it starts the kcp of all of them anew. kcp finds the storage of a kind by its schema: were it the tenants', too, then
// after a start, with the mailbox asked first, what tenants have would be looked
// for among what is in mailboxes, and a loop would retire all copies.
func TestWhatTenantsHaveOutlivesAStartOfKcp(t *testing.T) {
	p := newPost(t, "eu-1")
	tree, err := p.kcp.CreateTree(t.Context(), "precious")
	require.NoError(t, err)
	tenant := tree[0].Path
	require.NoError(t, p.kcp.Bind(t.Context(), tenant, p.platform.Path, "tmc"))
	original := deploymentIn("default", "precious")
	eventually(t, "an original", func() error {
		return clientOf(t, p.kcp.Config(tenant)).Create(t.Context(), original.DeepCopy())
	})

	require.NoError(t, p.kcp.Stop(t.Context()))
	require.NoError(t, p.kcp.Restart(t.Context()))
	ask := func(cfg *rest.Config) error {
		return clientOf(t, cfg).Get(t.Context(), client.ObjectKeyFromObject(original), original.DeepCopy())
	}
	mailbox := p.mailbox("eu-1")
	eventually(t, "the mailbox is asked first", func() error {
		if err := ask(mailbox); !apierrors.IsNotFound(err) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	require.NoError(t, ask(p.kcp.Config(tenant)))
}

func (p *post) joins(t *testing.T) {
	token := p.token("eu-1")
	require.WithinDuration(t, time.Now().Add(30*time.Minute), token.Expires(), 5*time.Minute)
	access, err := pull.Inspect(t.Context(), p.mailbox("eu-1"))
	require.NoError(t, err)
	require.WithinDuration(t, token.Expires(), access.TokenExpires, 5*time.Minute)
	require.Zero(t, access.Renewed, "no agent has been there")
	store := &memory{}
	_, err = pull.Resume(t.Context(), store)
	require.ErrorIs(t, err, pull.ErrNotJoined)

	credentials, err := pull.Join(t.Context(), token, store)
	require.NoError(t, err)
	require.Equal(t, "eu-1", credentials.Cluster())
	access, err = pull.Inspect(t.Context(), p.mailbox("eu-1"))
	require.NoError(t, err)
	require.Zero(t, access.TokenExpires, "it was used")
	identity, err := credentials.Identity(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, identity)

	// At once, though the server believes the token for some seconds more.
	other := &memory{}
	_, err = pull.Join(t.Context(), token, other)
	require.ErrorIs(t, err, pull.ErrRefused)
	require.ErrorContains(t, err, "used before, withdrawn or has expired; make a new one")
	_, err = pull.Resume(t.Context(), other)
	require.ErrorIs(t, err, pull.ErrNotJoined)

	p.shareStore(t, token, credentials)
	before := string(store.data)
	require.NoError(t, credentials.Renew(t.Context()))
	require.NotEqual(t, before, string(store.data))
	resumed, err := pull.Resume(t.Context(), store)
	require.NoError(t, err)
	again, err := resumed.Identity(t.Context())
	require.NoError(t, err)
	require.Equal(t, identity, again)
}

// late is a store as it is seen by an agent that looked before another wrote.
type late struct {
	pull.Store
	pull.Swapper
}

func (late) Load(context.Context) ([]byte, error) { return nil, nil }

// Replicas that share a Secret do not write over what one of them joined with,
// whether they looked into it before or after.
func (p *post) shareStore(t *testing.T, token *pull.Way, winner *pull.Credentials) {
	t.Helper()
	store, err := pull.InSecret(p.kcp.Config(p.platform.Path), "default", "shared")
	require.NoError(t, err)
	kept, err := token.Kubeconfig()
	require.NoError(t, err)
	kept = append(kept, "# the winner's\n"...)
	require.NoError(t, store.Save(t.Context(), kept))
	shared, ok := store.(pull.Swapper)
	require.True(t, ok)
	_, err = pull.Join(t.Context(), token, late{store, shared})
	require.ErrorIs(t, err, pull.ErrTaken)
	_, err = pull.Join(t.Context(), token, store)
	require.ErrorIs(t, err, pull.ErrRefused)
	is, err := store.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, string(kept), string(is))
	require.ErrorIs(t, shared.Swap(t.Context(), []byte("what was"), nil), pull.ErrTaken)
	_, err = winner.Identity(t.Context())
	require.NoError(t, err)
}

func (p *post) refusesTokens(t *testing.T) {
	first := p.token("eu-1")
	second := p.token("eu-1") // ends the first
	withdrawn := p.token("us-1")
	require.NoError(t, pull.Withdraw(t.Context(), p.mailbox("us-1")))
	for name, w := range map[string]*pull.Way{
		"replaced":        first,
		"withdrawn":       withdrawn,
		"of another":      {Cluster: "us-1", Server: p.token("us-1").Server, CA: second.CA, Token: second.Token},
		"made up":         {Cluster: "eu-1", Server: second.Server, CA: second.CA, Token: "a.b.c"},
		"somebody else's": {Cluster: "eu-1", Server: second.Server, CA: second.CA, Token: "not-a-token"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := pull.Join(t.Context(), w, &memory{})
			require.ErrorIs(t, err, pull.ErrRefused)
			require.NotContains(t, err.Error(), w.Token, "a token is never printed")
		})
	}
	// None of them ended the one that counts.
	_, err := pull.Join(t.Context(), second, &memory{})
	require.NoError(t, err)
}

// An agent reaches its own mailbox and nothing else of kcp; revoked, nothing at
// all, and nothing in its mailbox changes for that.
func (p *post) reachesOne(t *testing.T) {
	for _, cluster := range []string{"eu-1", "us-1"} {
		admin := clientOf(t, p.mailbox(cluster))
		require.NoError(t, admin.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "team"}}))
		eventually(t, "a copy", func() error { return admin.Create(t.Context(), deploymentIn("team", "web")) })
	}
	credentials, _ := p.join("eu-1")
	agent := clientOf(t, credentials.Config())
	copied := deploymentIn("team", "web")
	eventually(t, "the agent reads its copy", func() error { return agent.Get(t.Context(), client.ObjectKeyFromObject(copied), copied) })

	merge := func(patch string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(patch)) }
	require.NoError(t, agent.Patch(t.Context(), copied.DeepCopy(), merge(`{"metadata":{"finalizers":["tmc-sdk.dev/copies-prod-agent"]}}`)))
	require.NoError(t, agent.Status().Patch(t.Context(), copied.DeepCopy(), merge(`{"status":{"readyReplicas":1}}`)))

	forbidden := map[string]func() error{
		"make a copy":   func() error { return agent.Create(t.Context(), deploymentIn("team", "mine")) },
		"delete a copy": func() error { return agent.Delete(t.Context(), deploymentIn("team", "web")) },
		"read Secrets": func() error {
			return agent.List(t.Context(), &corev1.SecretList{}, client.InNamespace(mailbox.Namespace))
		},
		"make a namespace": func() error {
			return agent.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "mine"}})
		},
	}
	for what, attempt := range forbidden {
		require.True(t, apierrors.IsForbidden(attempt()), what)
	}
	elsewhere := map[string]string{
		"another's mailbox":        p.mailbox("us-1").Host,
		"the platform's workspace": p.kcp.Config(p.platform.Path).Host,
		"the root workspace":       p.kcp.Config(tmcenvtest.Root).Host,
		"all tenants' workspaces":  p.virtual("tmc"),
		"all mailboxes":            p.virtual("tmc" + pull.ExportSuffix),
	}
	for what, host := range elsewhere {
		cfg := credentials.Config()
		cfg.Host = host
		err := listing(t, cfg).List(t.Context(), &corev1.NamespaceList{})
		require.True(t, apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err), "%s: %v", what, err)
	}

	require.NoError(t, pull.Revoke(t.Context(), p.mailbox("eu-1")))
	eventually(t, "the agent is shut out", func() error {
		err := agent.Get(t.Context(), client.ObjectKeyFromObject(copied), copied.DeepCopy())
		if !apierrors.IsUnauthorized(err) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	require.ErrorIs(t, credentials.Renew(t.Context()), pull.ErrRefused)
	_, err := pull.Inspect(t.Context(), p.mailbox("eu-1"))
	require.ErrorIs(t, err, pull.ErrNotReady, "nobody may come in")
	left := deploymentIn("team", "web")
	require.NoError(t, clientOf(t, p.mailbox("eu-1")).Get(t.Context(), client.ObjectKeyFromObject(left), left))
	require.Nil(t, left.GetDeletionTimestamp())

	// What is prepared anew is for a new agent.
	require.NoError(t, p.mailboxes.Ensure(t.Context(), "eu-1"))
	require.ErrorIs(t, credentials.Renew(t.Context()), pull.ErrRefused)
	again, _ := p.join("eu-1")
	_, err = again.Identity(t.Context())
	require.NoError(t, err)
}

// listing is a client that lists namespaces without asking a server what it serves.
func listing(t *testing.T, cfg *rest.Config) client.Client {
	t.Helper()
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	c, err := client.New(cfg, client.Options{Mapper: mapper})
	require.NoError(t, err)
	return c
}

// virtual is where an export shows all workspaces that bind it.
func (p *post) virtual(export string) string {
	base, _, _ := strings.Cut(p.kcp.Config(p.platform.Path).Host, "/clusters/")
	return base + "/services/apiexport/" + string(p.platform.Cluster) + "/" + export + "/clusters/*"
}

func (p *post) closes(t *testing.T) {
	credentials, _ := p.join("us-1")
	admin := clientOf(t, p.mailbox("us-1"))
	emptied, err := p.mailboxes.Close(t.Context(), "us-1")
	require.NoError(t, err)
	require.False(t, emptied, "a copy is left in it")
	left := deploymentIn("team", "web")
	require.NoError(t, admin.Get(t.Context(), client.ObjectKeyFromObject(left), left))
	require.Nil(t, left.GetDeletionTimestamp())
	eventually(t, "the agent is shut out", func() error {
		if err := credentials.Renew(t.Context()); !errors.Is(err, pull.ErrRefused) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})

	require.NoError(t, admin.Delete(t.Context(), left))
	emptied, err = p.mailboxes.Close(t.Context(), "us-1")
	require.NoError(t, err)
	require.True(t, emptied)
	eventually(t, "the workspace goes", func() error {
		names, err := p.mailboxes.Clusters(t.Context())
		if err == nil && len(names) != 1 {
			err = fmt.Errorf("there are %v", names)
		}
		return err
	})
	emptied, err = p.mailboxes.Close(t.Context(), "us-1")
	require.NoError(t, err)
	require.True(t, emptied, "again")
}
