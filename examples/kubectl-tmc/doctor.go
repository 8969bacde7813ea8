package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

// finding is what one check found.
type finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject"`
	// Verdict is ok, warning or failed.
	Verdict string `json:"verdict"`
	Message string `json:"message,omitempty"`
	// Remedy says what to do.
	Remedy string `json:"remedy,omitempty"`
}

const (
	fine    = "ok"
	warning = "warning"
	failed  = "failed"
)

func doctorCommand(s *session) *cobra.Command {
	cmd := &cobra.Command{
		Use: "doctor", Short: "Examine the platform, the clusters and the workspaces, and say what to do",
		Long: `Doctor checks connectivity, permissions, certificates, versions, endpoint slices and
permission claims. Each finding has its remedy. It exits with 2 if a check failed.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings := s.examine(cmd.Context())
			if err := s.print(findingsResult(findings)); err != nil {
				return err
			}
			if slices.ContainsFunc(findings, func(f finding) bool { return f.Verdict == failed }) {
				return errFindings
			}
			return nil
		},
	}
	return cmd
}

// examine runs all checks. One that can't be run is a finding.
func (s *session) examine(ctx context.Context) []finding {
	s.progress("Looking at the platform's workspace")
	findings := s.examinePlatform(ctx)
	list, err := s.physicalClusters(ctx, "")
	if err != nil {
		return append(findings, finding{"clusters", "platform", failed, err.Error(), "give --platform the workspace that the controller's configuration names, and a user who may list physicalclusters"})
	}
	s.progress("Looking at %d physical clusters", len(list.Items))
	findings = append(findings, s.examineClusters(ctx, list)...)
	s.progress("Looking at the workspaces that bind export %s", s.export)
	findings = append(findings, s.examineWorkspaces(ctx)...)
	return findings
}

func findingsResult(findings []finding) *result {
	order := map[string]int{failed: 0, warning: 1, fine: 2}
	sorted := slices.Clone(findings)
	slices.SortStableFunc(sorted, func(a, b finding) int { return cmp.Compare(order[a.Verdict], order[b.Verdict]) })
	r := &result{object: map[string]any{"findings": sorted}, columns: []string{"VERDICT", "CHECK", "SUBJECT", "MESSAGE", "REMEDY"}}
	counts := map[string]int{}
	for _, f := range sorted {
		counts[f.Verdict]++
		r.rows = append(r.rows, []string{f.Verdict, f.Check, f.Subject, f.Message, f.Remedy})
		r.names = append(r.names, f.Check+"/"+f.Subject)
	}
	r.notes = []string{"", fmt.Sprintf("%d failed, %d warnings, %d ok", counts[failed], counts[warning], counts[fine])}
	return r
}
