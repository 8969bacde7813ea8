package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/kcp-dev/logicalcluster/v3"
	corev1alpha1 "github.com/kcp-dev/sdk/apis/core/v1alpha1"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/sync/recovery"
)

func backupCommand(s *session) *cobra.Command {
	var kinds []string
	var file string
	var secrets bool
	cmd := &cobra.Command{
		Use: "backup -f FILE", Short: "Keep what cannot be recomputed: clusters, decisions, originals, who is who",
		Long: `Backup writes PhysicalClusters, Placements with their decisions, the originals of
--kinds, and which workspace each was in, into one file with a version and a checksum.
The file is written whole or not at all, and verified before it takes its name.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := s.backup(cmd.Context(), kinds, secrets)
			if err != nil {
				return err
			}
			if err := save(b, file); err != nil {
				return err
			}
			_, _ = fmt.Fprintf(s.out, "%s: %d objects of the platform, %d workspaces, sha256 %s\n", file, len(b.Platform), len(b.Workspaces), b.SHA256)
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&kinds, "kinds", []string{"deployments.apps", "statefulsets.apps", "jobs.batch", "configmaps"}, "resources of which originals are kept; those that are not served are left out")
	cmd.Flags().StringVarP(&file, "filename", "f", "", "file to write")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "keep the kubeconfigs of clusters as well; whoever can read the file can use them")
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func (s *session) backup(ctx context.Context, kinds []string, secrets bool) (*recovery.Backup, error) {
	platform, err := s.at(s.platform)
	if err != nil {
		return nil, err
	}
	tenants, err := s.everywhere(ctx)
	if err != nil {
		return nil, err
	}
	s.progress("Reading the platform's workspace and those that bind export %s", s.export)
	from := recovery.Source{Platform: platform, Tenants: tenants, Path: s.pathOf, Secrets: secrets}
	if from.Originals, err = resourcesAt(tenants[0], kinds); err != nil {
		return nil, err
	}
	return recovery.Take(ctx, from)
}

// resourcesAt resolves those of the kinds that are served.
func resourcesAt(cfg *rest.Config, kinds []string) ([]schema.GroupVersionResource, error) {
	mapper, err := mapperFor(cfg)
	if err != nil {
		return nil, err
	}
	var resources []schema.GroupVersionResource
	for _, kind := range kinds {
		mapping, err := resolve(mapper, kind)
		if meta.IsNoMatchError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		resources = append(resources, mapping.Resource)
	}
	return resources, nil
}

// logicalCluster reads what kcp says of a workspace.
func (s *session) logicalCluster(ctx context.Context, workspace string) (*corev1alpha1.LogicalCluster, error) {
	c, err := s.client(workspace)
	if err != nil {
		return nil, err
	}
	lc := &corev1alpha1.LogicalCluster{}
	if err := c.Get(ctx, client.ObjectKey{Name: corev1alpha1.LogicalClusterName}, lc); err != nil {
		return nil, fmt.Errorf("look at workspace %s: %w", workspace, err)
	}
	return lc, nil
}

func (s *session) pathOf(ctx context.Context, cluster string) (string, error) {
	lc, err := s.logicalCluster(ctx, cluster)
	if err != nil {
		return "", err
	}
	path := lc.Annotations["kcp.io/path"]
	if path == "" {
		return "", errors.New("kcp does not say which path it has")
	}
	return path, nil
}

// save writes a backup under another name, reads it again, and renames it.
func save(b *recovery.Backup, file string) error {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".backup-")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temporary.Name()) }()
	err = b.Write(temporary)
	if err == nil {
		err = temporary.Sync()
	}
	if err = errors.Join(err, temporary.Close()); err != nil {
		return err
	}
	if _, err := load(temporary.Name()); err != nil {
		return fmt.Errorf("what was written can't be read: %w", err)
	}
	return os.Rename(temporary.Name(), file)
}

func load(file string) (*recovery.Backup, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return recovery.Read(f)
}

func restoreCommand(s *session) *cobra.Command {
	var c consent
	var file, installation, renamed string
	var platformOnly bool
	cmd := &cobra.Command{
		Use: "restore -f FILE", Short: "Put back what is missing, and give running copies their originals again",
		Long: `Restore creates what a backup has and the workspaces lack; what is there is left as it is.
Workspaces have to be there and bound. Stop the controller first.

With --installation it then writes the new marks on the copies of that installation on
every physical cluster, and with --renamed it writes which logical cluster became which:
start the controller with that file's names kept, so that copies stay where they are.
Restore can be repeated.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b, err := load(file)
			if err != nil {
				return err
			}
			s.progress("Backup of %s: %d objects of the platform, %d workspaces; its checksum holds", b.Taken, len(b.Platform), len(b.Workspaces))
			if platformOnly {
				b.Workspaces = nil
			}
			if !c.dryRun {
				if err := c.ask(s, "Restore it? The controller must not be running."); err != nil {
					return err
				}
			}
			return s.restore(cmd.Context(), b, installation, renamed, c.dryRun)
		},
	}
	c.flags(cmd)
	cmd.Flags().StringVarP(&file, "filename", "f", "", "file to read")
	cmd.Flags().StringVar(&installation, "installation", "", "installation whose copies get their originals again; empty for none")
	cmd.Flags().BoolVar(&platformOnly, "platform-only", false, "restore the platform's workspace alone, so that the export can be published before workspaces bind it")
	cmd.Flags().StringVar(&renamed, "renamed", "", "file to write which logical cluster became which; for the controller")
	_ = cmd.MarkFlagRequired("filename")
	return cmd
}

func (s *session) restore(ctx context.Context, b *recovery.Backup, installation, renamed string, dryRun bool) error {
	platform, err := s.at(s.platform)
	if err != nil {
		return err
	}
	restored, err := recovery.Restore(ctx, b, recovery.Target{
		Platform: platform, DryRun: dryRun, Mapper: mapperFor,
		Workspace: func(ctx context.Context, path string) (*rest.Config, string, error) {
			lc, err := s.logicalCluster(ctx, path)
			if err != nil {
				return nil, "", fmt.Errorf("make it, bind the export in it, and restore again: %w", err)
			}
			cfg, err := s.at(path)
			return cfg, logicalcluster.From(lc).String(), err
		},
	})
	if restored == nil {
		return err
	}
	errs := []error{err}
	actions := restored.Actions
	if installation != "" {
		more, err := s.readopt(ctx, b, installation, restored.Renamed, dryRun)
		actions, errs = append(actions, more...), append(errs, err)
	}
	if renamed != "" && !dryRun {
		data, err := json.MarshalIndent(restored.Renamed, "", "  ")
		if err == nil {
			err = os.WriteFile(renamed, data, 0o600)
		}
		errs = append(errs, err)
	}
	errs = append(errs, s.print(actionsResult(actions, dryRun)))
	return errors.Join(errs...)
}

// readopt gives the copies on every cluster their originals again.
func (s *session) readopt(ctx context.Context, b *recovery.Backup, installation string, now recovery.Renamed, dryRun bool) ([]recovery.Action, error) {
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return nil, err
	}
	platform, err := s.client(s.platform)
	if err != nil {
		return nil, err
	}
	var actions []recovery.Action
	var errs []error
	for i := range list.Items {
		pc := &list.Items[i]
		s.progress("Looking for copies on %s", pc.Name)
		cfg, err := connect(ctx, platform, pc)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w; restore again when it can be reached", pc.Name, err))
			continue
		}
		resources, err := originalsAt(cfg, b)
		if err != nil {
			errs = append(errs, fmt.Errorf("cluster %s: %w; restore again when it can be reached", pc.Name, err))
			continue
		}
		more, err := recovery.Readopt(ctx, cfg, recovery.Copies{Cluster: pc.Name, Installation: installation, Resources: resources, DryRun: dryRun}, now)
		actions, errs = append(actions, more...), append(errs, err)
	}
	return actions, errors.Join(errs...)
}

// originalsAt returns the resources of the originals of a backup, as a cluster
// serves them.
func originalsAt(cfg *rest.Config, b *recovery.Backup) ([]schema.GroupVersionResource, error) {
	mapper, err := mapperFor(cfg)
	if err != nil {
		return nil, err
	}
	seen := map[schema.GroupVersionKind]bool{}
	var resources []schema.GroupVersionResource
	for i := range b.Workspaces {
		for j := range b.Workspaces[i].Originals {
			kind := b.Workspaces[i].Originals[j].GroupVersionKind()
			if seen[kind] {
				continue
			}
			seen[kind] = true
			mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
			if meta.IsNoMatchError(err) {
				continue
			}
			if err != nil {
				return nil, err
			}
			resources = append(resources, mapping.Resource)
		}
	}
	return resources, nil
}

func actionsResult(actions []recovery.Action, dryRun bool) *result {
	r := &result{object: map[string]any{"dryRun": dryRun, "actions": actions}, columns: []string{"WHERE", "OBJECT", "DID"}}
	counts := map[string]int{}
	for _, a := range actions {
		counts[a.Did]++
		r.rows = append(r.rows, []string{a.Where, a.Object, a.Did})
		r.names = append(r.names, a.Where+"/"+a.Object)
	}
	r.notes = []string{fmt.Sprintf("%d created, %d configured, %d unchanged", counts[recovery.Created], counts[recovery.Configured], counts[recovery.Unchanged])}
	if n := counts[recovery.Left]; n > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d copies are left: their originals are not in the backup. They run on, and nobody tends them: "+
			"restore a backup that has their originals, or delete them on their clusters with kubectl.", n))
	}
	if dryRun {
		r.notes = append(r.notes, "Nothing was done: this was a dry run.")
	}
	return r
}
