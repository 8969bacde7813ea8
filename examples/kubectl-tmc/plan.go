package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"

	"github.com/tmc-sdk/tmc/placement"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
	"github.com/tmc-sdk/tmc/sync/plan"
)

// planFlags are those of plan.
type planFlags struct {
	files      []string
	kinds      []string
	cluster    string
	exitCode   bool
	controller controllerFlags
}

func planCommand(s *session) *cobra.Command {
	f := &planFlags{}
	cmd := &cobra.Command{
		Use: "plan [-f FILE]", Short: "Say what a change would do to decisions and copies, before it is applied",
		Long: `Say what would follow if the Placements and workloads of a file were applied in a
workspace: which decisions would change, and which copies would be created, configured
field by field, or deleted on which cluster. The workspace makes the objects complete, by
a dry run of a server-side apply; the controller that --controller names plans with its
own engine and pipeline. Nothing is written.

Without a file: what the controller would do now, though it be suspended or only observe.
Without a controller: what decisions would change, as the built-in plugins make them.`,
		Example: "  kubectl tmc plan --workspace root:team-a -f app.yaml --controller https://localhost:8443 --controller-token-file token\n" +
			"  kustomize build . | kubectl tmc plan -f -\n  kubectl tmc plan --on eu-1",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.plan(cmd.Context(), f) },
	}
	kindsFlag(cmd, &f.kinds)
	cmd.Flags().StringArrayVarP(&f.files, "filename", "f", nil, "file with the objects, or - for standard input; may be repeated")
	cmd.Flags().StringVar(&f.cluster, "on", "", "only copies on this physical cluster")
	cmd.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 2 if anything would change")
	f.controller.add(cmd)
	_ = cmd.RegisterFlagCompletionFunc("on", s.completeClusters)
	return cmd
}

func (s *session) plan(ctx context.Context, f *planFlags) error {
	var objects []*unstructured.Unstructured
	for _, file := range f.files {
		found, err := s.readObjects(file)
		if err != nil {
			return err
		}
		objects = append(objects, found...)
	}
	switch {
	case len(f.files) > 0 && len(objects) == 0:
		return errors.New("the file has no object")
	case f.controller.url == "" && len(f.files) == 0:
		return errors.New("name a file with -f, or with --controller the controller whose plan for now is asked for")
	case f.controller.url == "":
		return s.planDecisions(ctx, objects, f)
	}
	q, err := s.request(ctx, objects)
	if err != nil {
		return err
	}
	c, url, err := f.controller.client()
	if err != nil {
		return err
	}
	answer, err := plan.Ask(ctx, c, url, q)
	if err != nil {
		return err
	}
	if q == nil {
		if err := s.onlyOurs(ctx, answer); err != nil {
			return err
		}
	}
	if f.cluster != "" {
		answer.Changes = slices.DeleteFunc(answer.Changes, func(c plan.Change) bool { return c.Cluster != f.cluster })
		answer.Refused = slices.DeleteFunc(answer.Refused, func(r plan.Refused) bool { return r.Cluster != f.cluster })
	}
	if err := s.print(answerResult(answer, s.format == "wide")); err != nil {
		return err
	}
	if f.exitCode && !answer.Empty() {
		return errFindings
	}
	return nil
}

// request has the workspace complete the objects; nil for none.
func (s *session) request(ctx context.Context, objects []*unstructured.Unstructured) (*plan.Request, error) {
	if len(objects) == 0 {
		return nil, nil
	}
	q := &plan.Request{}
	complete, err := s.rehearse(ctx, objects)
	if err != nil {
		return nil, err
	}
	q.Objects = complete
	for _, o := range complete { // what is new bears no name of it yet
		if name := workspaceOf(o); name != "" {
			q.Workspace = multicluster.ClusterName(name)
			return q, nil
		}
	}
	lc, err := s.logicalCluster(ctx, s.workspace)
	if err != nil {
		return nil, err
	}
	q.Workspace = multicluster.ClusterName(workspaceOf(lc))
	return q, nil
}

// onlyOurs leaves what is of the workspace that the flags name, if they name one.
func (s *session) onlyOurs(ctx context.Context, a *plan.Answer) error {
	if s.workspace == "" {
		return nil
	}
	lc, err := s.logicalCluster(ctx, s.workspace)
	if err != nil {
		return err
	}
	ours := workspaceOf(lc)
	a.Changes = slices.DeleteFunc(a.Changes, func(c plan.Change) bool { return c.Original.Workspace != ours })
	a.Refused = slices.DeleteFunc(a.Refused, func(r plan.Refused) bool { return r.Original.Workspace != ours })
	return nil
}

// planDecisions reckons here, with Placements in place of those of their names, in
// the workspace that is named.
func (s *session) planDecisions(ctx context.Context, objects []*unstructured.Unstructured, f *planFlags) error {
	s.progress("Only decisions are planned, with built-in plugins: name the controller with --controller for what would change in copies.")
	change := placement.Change{}
	for _, o := range objects {
		p := &v1alpha1.Placement{}
		if o.GroupVersionKind() != v1alpha1.GroupVersion.WithKind(o.GetKind()) {
			return fmt.Errorf("%s %s is no Placement: for what else would change, name the controller with --controller", o.GetKind(), o.GetName())
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, p, true); err != nil {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
		r, err := s.supposed(ctx, p, f.kinds)
		if err != nil {
			return err
		}
		change.Requests = append(change.Requests, r)
	}
	return s.whatIf(ctx, f.kinds, change, f.exitCode)
}

// supposed is the request of a Placement that might be.
func (s *session) supposed(ctx context.Context, p *v1alpha1.Placement, kinds []string) (*placement.Request, error) {
	if p.Name == "" || p.Kind != "Placement" && p.Kind != "ClusterPlacement" {
		return nil, errors.New("the file has no Placement or ClusterPlacement with a name")
	}
	if p.Kind == "Placement" && p.Namespace == "" {
		namespace, err := s.namespace()
		if err != nil {
			return nil, err
		}
		p.Namespace = namespace
	}
	// Where it is now, and what it covers, are read from the workspace.
	siblings, err := s.placements(ctx, scope{allNamespaces: true})
	if err != nil {
		return nil, err
	}
	for i := range siblings {
		if siblings[i].Namespace == p.Namespace {
			p.Annotations = maps.Clone(siblings[i].Annotations) // of which workspace it is
		}
		if siblings[i].Namespace == p.Namespace && siblings[i].Name == p.Name {
			p.ObjectMeta, p.Status = siblings[i].ObjectMeta, siblings[i].Status
		}
	}
	work, err := s.covered(ctx, p, kinds)
	if err != nil {
		return nil, err
	}
	return requestFor(p, work, time.Now()), nil
}
