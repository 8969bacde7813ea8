package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/rest"

	"github.com/tmc-sdk/tmc/cluster/pull"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

func tokenCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use: "token", Aliases: []string{"tokens"}, Short: "Let agents of clusters in pull mode in, and shut them out",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(tokenCreateCommand(s), tokenListCommand(s), tokenRevokeCommand(s))
	return cmd
}

// mailboxes finds the mailboxes of the platform. It makes none: which kinds are in
// them is no matter.
func (s *session) mailboxes() (*pull.Workspaces, error) {
	cfg, err := s.at(s.platform)
	if err != nil {
		return nil, err
	}
	return pull.NewWorkspaces(cfg, s.export, corev1.SchemeGroupVersion.WithResource("configmaps"))
}

func tokenCreateCommand(s *session) *cobra.Command {
	var file, server, ca string
	var ttl, timeout time.Duration
	cmd := &cobra.Command{
		Use: "create CLUSTER", Short: "Make the bootstrap token with which a cluster's agent joins, once", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeClusters,
		Long: `Make the bootstrap token with which a cluster's agent joins, once, as a kubeconfig.
It ends an earlier token of the cluster, and not the access of an agent that has
joined. Keep it like a password: it is printed once and kept nowhere.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts := []pull.TokenOption{pull.TTL(ttl)}
			if server != "" {
				var pem []byte
				if ca != "" {
					var err error
					if pem, err = os.ReadFile(ca); err != nil {
						return fmt.Errorf("--agent-ca: %w", err)
					}
				}
				opts = append(opts, pull.ReachedAt(server, pem))
			} else if ca != "" {
				return errors.New("--agent-ca: say with --agent-server where the agent reaches its mailbox")
			}
			data, err := s.newToken(cmd.Context(), args[0], timeout, opts...)
			if err != nil {
				return err
			}
			if file == "" {
				_, err = s.out.Write(data)
				return err
			}
			if err := os.WriteFile(file, data, 0o600); err != nil {
				return err
			}
			s.progress("The bootstrap token of %s is in %s. It is good for %s, and for one agent.", args[0], file, ttl)
			return nil
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "file for the kubeconfig; default: standard output")
	cmd.Flags().DurationVar(&ttl, "ttl", 30*time.Minute, "how long the token is good for; ten minutes at least")
	cmd.Flags().DurationVar(&timeout, "timeout", time.Minute, "how long to wait for a mailbox that is being made")
	cmd.Flags().StringVar(&server, "agent-server", "", "URL at which the agent reaches the mailbox, with /clusters/NAME; default: as this program does")
	cmd.Flags().StringVar(&ca, "agent-ca", "", "file with the certificate authority there; default: the agent's system's")
	return cmd
}

// newToken makes a token, once the mailbox is there.
func (s *session) newToken(ctx context.Context, cluster string, timeout time.Duration, opts ...pull.TokenOption) ([]byte, error) {
	mailboxes, err := s.mailboxes()
	if err != nil {
		return nil, err
	}
	cfg, err := awaitMailbox(ctx, mailboxes, cluster, timeout)
	if err != nil {
		return nil, err
	}
	token, err := pull.NewToken(ctx, cfg, cluster, opts...)
	if err != nil {
		return nil, err
	}
	return token.Kubeconfig()
}

// awaitMailbox waits for a mailbox that the hub is making.
func awaitMailbox(ctx context.Context, mailboxes *pull.Workspaces, cluster string, timeout time.Duration) (*rest.Config, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		cfg, err := mailboxes.Config(ctx, cluster)
		if err == nil {
			_, err = pull.Inspect(ctx, cfg)
		}
		if err == nil {
			return cfg, nil
		}
		if !errors.Is(err, pull.ErrNotReady) {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; register the cluster with spec.connection.mode: Pull, run the controller with mode: Hub, and look at its log", err)
		case <-tick.C:
		}
	}
}

// mailboxAccess is what token list shows of one cluster.
type mailboxAccess struct {
	Cluster string `json:"cluster"`
	// TokenExpires is of the bootstrap token that waits for an agent.
	TokenExpires *time.Time `json:"tokenExpires,omitempty"`
	// AgentRenewed is the last sign of life of the agent.
	AgentRenewed *time.Time `json:"agentRenewed,omitempty"`
}

func tokenListCommand(s *session) *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List mailboxes, the tokens that wait for an agent, and the agents that have joined", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			mailboxes, err := s.mailboxes()
			if err != nil {
				return err
			}
			clusters, err := mailboxes.Clusters(cmd.Context())
			if err != nil {
				return err
			}
			list := []mailboxAccess{}
			for _, cluster := range clusters {
				var seen *pull.Access
				cfg, err := mailboxes.Config(cmd.Context(), cluster)
				if err == nil {
					seen, err = pull.Inspect(cmd.Context(), cfg)
				}
				if errors.Is(err, pull.ErrNotReady) {
					list = append(list, mailboxAccess{Cluster: cluster})
					continue
				}
				if err != nil {
					return err
				}
				list = append(list, mailboxAccess{cluster, orNil(seen.TokenExpires), orNil(seen.Renewed)})
			}
			return s.print(accessResult(list, time.Now()))
		},
	}
}

func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func accessResult(list []mailboxAccess, now time.Time) *result {
	r := &result{object: map[string]any{"items": list}, columns: []string{"CLUSTER", "BOOTSTRAP TOKEN", "AGENT"}}
	for _, a := range list {
		token, agent := "none", "has not joined"
		switch {
		case a.TokenExpires != nil && a.TokenExpires.After(now):
			token = "good for " + duration.HumanDuration(a.TokenExpires.Sub(now))
		case a.TokenExpires != nil:
			token = "expired"
		}
		if a.AgentRenewed != nil {
			agent = "seen " + duration.HumanDuration(max(0, now.Sub(*a.AgentRenewed))) + " ago"
		}
		r.rows = append(r.rows, []string{a.Cluster, token, agent})
		r.names = append(r.names, "physicalcluster."+clusterv1alpha1.Group+"/"+a.Cluster)
	}
	if len(list) == 0 {
		r.notes = []string{"No cluster has a mailbox."}
	}
	return r
}

func tokenRevokeCommand(s *session) *cobra.Command {
	var c consent
	var tokenOnly bool
	cmd := &cobra.Command{
		Use: "revoke CLUSTER", Short: "Shut the agent of a cluster out, and end its bootstrap token", Args: cobra.ExactArgs(1), ValidArgsFunction: s.completeClusters,
		Long: `Shut the agent of a cluster out, and end its bootstrap token, at once. What runs on
the cluster runs on, what is in the mailbox stays, and its work moves as from a
cluster that does not answer. A new token lets an agent in again.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			mailboxes, err := s.mailboxes()
			if err != nil {
				return err
			}
			known, err := mailboxes.Clusters(cmd.Context())
			if err != nil {
				return err
			}
			if !slices.Contains(known, args[0]) {
				return fmt.Errorf("cluster %s has no mailbox; those of %v have", args[0], known)
			}
			cfg, err := mailboxes.Config(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			end, done, question := pull.Revoke, "revoked", "Shut the agent of "+args[0]+" out?"
			if tokenOnly {
				end, done, question = pull.Withdraw, "token withdrawn", "End the bootstrap token of "+args[0]+"?"
			}
			if c.dryRun {
				done += " (dry run)"
			} else {
				if err := c.ask(s, question); err != nil {
					return err
				}
				if err := end(cmd.Context(), cfg); err != nil {
					return err
				}
			}
			_, err = fmt.Fprintf(s.out, "physicalcluster.%s/%s %s\n", clusterv1alpha1.Group, args[0], done)
			return err
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&tokenOnly, "token-only", false, "end the bootstrap token alone; an agent that has joined stays")
	return cmd
}
