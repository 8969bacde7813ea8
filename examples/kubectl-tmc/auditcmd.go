package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tmc-sdk/tmc/sync/audit"
)

func auditCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{Use: "audit", Short: "Look into the audit log, and prove that it is whole"}
	cmd.AddCommand(auditQueryCommand(s), auditVerifyCommand(s))
	return cmd
}

func auditQueryCommand(s *session) *cobra.Command {
	var f audit.Filter
	var since time.Duration
	var limit int
	cmd := &cobra.Command{
		Use: "query DIRECTORY|FILE...", Short: "Show recorded events, the newest last", Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if since > 0 {
				f.Since = time.Now().Add(-since)
			}
			events, err := query(args, &f, limit)
			if err != nil {
				return err
			}
			return s.print(eventsResult(events))
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.Workspace, "of", "", "logical cluster that events concern")
	flags.StringVar(&f.Cluster, "on", "", "physical cluster that events concern")
	flags.StringVar(&f.Verb, "verb", "", "create, patch, delete, decide, refuse, release, ...")
	flags.StringVar(&f.Kind, "kind", "", "kind of the object")
	flags.StringVar(&f.Name, "name", "", "name of the object or its original, as name or namespace/name")
	flags.StringVar(&f.Cause, "cause", "", "cause, in CamelCase")
	flags.StringVar(&f.Writer, "writer", "", "process that recorded it")
	flags.DurationVar(&since, "since", 0, "not older than this, as 2h")
	flags.IntVar(&limit, "limit", 1000, "the last so many; 0 for all")
	return cmd
}

// query reads what a filter selects from files and directories.
func query(paths []string, f *audit.Filter, limit int) ([]*audit.Event, error) {
	files, err := auditFiles(paths)
	if err != nil {
		return nil, err
	}
	var found []*audit.Event
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		var failed error
		for ev, err := range audit.Read(audit.Source{Name: path, Reader: file}) {
			if err != nil {
				failed = err
				break
			}
			if f.Matches(ev) {
				found = append(found, ev)
			}
		}
		if err := errors.Join(failed, file.Close()); err != nil {
			return nil, err
		}
	}
	sortEvents(found)
	if limit > 0 && len(found) > limit {
		found = found[len(found)-limit:]
	}
	return found, nil
}

// auditFiles returns the files, and those in the directories.
func auditFiles(paths []string) ([]string, error) {
	var files []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			files = append(files, path)
			continue
		}
		inside, err := fs.Glob(os.DirFS(path), "audit-*.jsonl")
		if err != nil {
			return nil, err
		}
		for _, name := range inside {
			files = append(files, filepath.Join(path, name))
		}
	}
	return files, nil
}

func eventsResult(events []*audit.Event) *result {
	r := &result{
		object:  map[string]any{"apiVersion": "audit.k8s.io/v1", "kind": "EventList", "items": events},
		columns: []string{"TIME", "VERB", "KIND", "OBJECT", "WORKSPACE", "CLUSTER", "CAUSE", "CODE", "+BY", "+MESSAGE", "+WRITER"},
	}
	for _, ev := range events {
		a, object, code, message := ev.Annotations, ev.Annotations[audit.AnnotationOriginal], "", ""
		if object == "" && ev.ObjectRef != nil {
			object = strings.TrimPrefix(ev.ObjectRef.Namespace+"/"+ev.ObjectRef.Name, "/")
		}
		if ev.ResponseStatus != nil {
			code, message = strconv.Itoa(int(ev.ResponseStatus.Code)), ev.ResponseStatus.Message
		}
		r.rows = append(r.rows, []string{
			ev.StageTimestamp.UTC().Format(time.RFC3339), ev.Verb, a[audit.AnnotationKind], object,
			a[audit.AnnotationWorkspace], a[audit.AnnotationCluster], a[audit.AnnotationCause], code, ev.User.Username, message, a[audit.AnnotationWriter],
		})
		r.names = append(r.names, "event.audit.k8s.io/"+string(ev.AuditID))
	}
	if len(events) == 0 {
		r.notes = []string{"No events found."}
	}
	return r
}

func auditVerifyCommand(s *session) *cobra.Command {
	var anchors []string
	cmd := &cobra.Command{
		Use: "verify DIRECTORY|FILE...", Short: "Prove that no event was changed, taken out or added", Args: cobra.MinimumNArgs(1),
		Long: `Verify reads all files and checks every chain of hashes. It names the first line that is
broken and exits with 2. Keep the heads that it prints, and give them back with --anchor:
they prove that no end was cut off since.`,
		RunE: func(_ *cobra.Command, args []string) error {
			v := audit.Verifier{}
			for _, text := range anchors {
				head, err := audit.ParseHead(text)
				if err != nil {
					return err
				}
				v.Anchors = append(v.Anchors, head)
			}
			return s.verify(&v, args)
		},
	}
	cmd.Flags().StringArrayVar(&anchors, "anchor", nil, "head that must be there, as writer=sequence:hash; may be repeated")
	return cmd
}

func (s *session) verify(v *audit.Verifier, paths []string) error {
	files, err := auditFiles(paths)
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("there are no files to verify")
	}
	var sources []audit.Source
	for _, path := range files {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		defer func() { _ = file.Close() }()
		sources = append(sources, audit.Source{Name: path, Reader: file})
	}
	report, broken := v.Verify(sources...)
	if err := s.print(verifyResult(report, broken)); err != nil {
		return err
	}
	if found, ok := errors.AsType[*audit.BrokenError](broken); ok {
		s.progress("%s", found)
		return errFindings
	}
	return broken
}

func verifyResult(report *audit.Report, broken error) *result {
	whole := broken == nil
	r := &result{object: map[string]any{"whole": whole, "report": report}, columns: []string{"WRITER", "FROM", "TO", "STARTS", "LOST", "HEAD"}}
	if broken != nil {
		r.object = map[string]any{"whole": whole, "report": report, "broken": broken.Error()}
	}
	for _, c := range report.Chains {
		r.rows = append(r.rows, []string{
			c.Writer, strconv.FormatUint(c.First, 10), strconv.FormatUint(c.Head.Sequence, 10),
			strconv.Itoa(c.Starts), strconv.FormatUint(c.Lost, 10), c.Head.String(),
		})
		r.names = append(r.names, c.Head.String())
	}
	for _, at := range report.Torn {
		r.notes = append(r.notes, fmt.Sprintf("%s: half a line: a process died there", at))
	}
	if whole {
		r.notes = append(r.notes, "Every chain is whole.")
	} else {
		r.notes = append(r.notes, "BROKEN; the table shows what was read.")
	}
	return r
}

// sortEvents sorts by time; what one writer recorded stays in its order.
func sortEvents(events []*audit.Event) {
	slices.SortStableFunc(events, func(a, b *audit.Event) int { return a.StageTimestamp.Compare(b.StageTimestamp.Time) })
}
