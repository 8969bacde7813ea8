package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/blang/semver/v4"
	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/cluster/access"
	clusterv1alpha1 "github.com/tmc-sdk/tmc/cluster/v1alpha1"
)

// examineClusters looks at every cluster at once.
func (s *session) examineClusters(ctx context.Context, list *clusterv1alpha1.PhysicalClusterList) []finding {
	platform, err := s.client(s.platform)
	if err != nil {
		return []finding{{"clusters", "platform", failed, err.Error(), "check the kubeconfig"}}
	}
	if len(list.Items) == 0 {
		return []finding{{"clusters", "fleet", warning, "there is no physical cluster", "register one: a PhysicalCluster and a Secret with its kubeconfig"}}
	}
	found := make([][]finding, len(list.Items))
	var group errgroup.Group
	group.SetLimit(16)
	for i := range list.Items {
		group.Go(func() error {
			found[i] = examineCluster(ctx, platform, &list.Items[i])
			return nil
		})
	}
	_ = group.Wait() // none fails
	var findings []finding
	for _, f := range found {
		findings = append(findings, f...)
	}
	return append(findings, versionsFinding(list))
}

func examineCluster(ctx context.Context, platform client.Reader, pc *clusterv1alpha1.PhysicalCluster) []finding {
	findings := conditionFindings(pc)
	cfg, err := connect(ctx, platform, pc)
	if err != nil {
		return append(findings, finding{"connectivity", pc.Name, failed, err.Error(), "put a kubeconfig into the Secret that spec.connection.secretRef names, and let your user read it"})
	}
	findings = append(findings, certificateFindings(pc.Name, cfg, time.Now())...)
	d, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return append(findings, finding{"connectivity", pc.Name, failed, err.Error(), "check the kubeconfig in the Secret"})
	}
	version, err := d.ServerVersion()
	if err != nil {
		return append(findings, finding{"connectivity", pc.Name, failed, err.Error(), "check that the cluster runs, and that " + cfg.Host + " can be reached and accepts the credentials"})
	}
	findings = append(findings, finding{"connectivity", pc.Name, fine, "answers as " + version.GitVersion, ""})
	return append(findings, permissionFinding(ctx, pc, cfg))
}

func conditionFindings(pc *clusterv1alpha1.PhysicalCluster) []finding {
	status, why := statusOf(pc)
	switch status {
	case "Ready":
		return nil
	case "Cordoned", "Draining":
		return []finding{{"clusters", pc.Name, warning, strings.ToLower(status) + ": " + why, "kubectl tmc uncordon " + pc.Name}}
	case "Unknown":
		return []finding{{"clusters", pc.Name, warning, why, "check that the controller runs, leads, and reads this workspace"}}
	}
	remedy := "mend the cluster; its work is placed elsewhere after the grace period"
	if c := meta.FindStatusCondition(pc.Status.Conditions, clusterv1alpha1.ConditionIdentified); c != nil && c.Status == metav1.ConditionFalse {
		remedy = "let the credentials read namespace kube-system, whose UID is the cluster's identity"
	}
	return []finding{{"clusters", pc.Name, failed, status + ": " + why, remedy}}
}

func permissionFinding(ctx context.Context, pc *clusterv1alpha1.PhysicalCluster, cfg *rest.Config) finding {
	rules := append(access.FleetRules(), access.SyncRules(apisOf(pc)...)...)
	missing, err := access.Missing(ctx, cfg, nil, rules)
	return permissionsText(pc.Name, missing, rules, err)
}

func permissionsText(name string, missing []access.Permission, rules []rbacv1.PolicyRule, err error) finding {
	if err != nil {
		return finding{"permissions", name, failed, err.Error(), "let the credentials create selfsubjectaccessreviews"}
	}
	if len(missing) == 0 {
		return finding{"permissions", name, fine, fmt.Sprintf("%d rules hold", len(rules)), ""}
	}
	var texts []string
	for _, p := range missing[:min(len(missing), 5)] {
		texts = append(texts, p.String())
	}
	if more := len(missing) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return finding{"permissions", name, failed, "missing: " + strings.Join(texts, ", "), "apply on the cluster the ClusterRole of cluster/access to the user in the kubeconfig"}
}

// soon is how long before its end a certificate is worth a warning.
const soon = 30 * 24 * time.Hour

// certificateFindings looks at the certificate of the client, and at that which
// the server shows.
func certificateFindings(name string, cfg *rest.Config, now time.Time) []finding {
	var findings []finding
	if len(cfg.CertData) > 0 {
		if end, err := endOf(cfg.CertData); err != nil {
			findings = append(findings, finding{"certificates", name + " client", failed, err.Error(), "put another client certificate into the Secret"})
		} else {
			findings = append(findings, endFinding(name+" client", end, now, "issue another client certificate and put it into the Secret; the controller reads it at once"))
		}
	}
	end, err := serverEnd(cfg.Host)
	if err == nil {
		findings = append(findings, endFinding(name+" server", end, now, "renew the serving certificate of the cluster's API server"))
	}
	return findings // a server that can't be reached is told of elsewhere
}

func endFinding(subject string, end, now time.Time, remedy string) finding {
	text := "ends " + end.UTC().Format(time.DateOnly)
	switch {
	case now.After(end):
		return finding{"certificates", subject, failed, "ended " + end.UTC().Format(time.DateOnly), remedy}
	case now.Add(soon).After(end):
		return finding{"certificates", subject, warning, text, remedy}
	}
	return finding{"certificates", subject, fine, text, ""}
}

func endOf(data []byte) (time.Time, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return time.Time{}, errors.New("the client certificate is no PEM")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return time.Time{}, fmt.Errorf("read client certificate: %w", err)
	}
	return cert.NotAfter, nil
}

// serverEnd asks a server for its certificate. Nothing is sent to it, so it is
// no matter who it is.
func serverEnd(host string) (time.Time, error) {
	u, err := url.Parse(host)
	if err != nil || u.Scheme != "https" {
		return time.Time{}, fmt.Errorf("%s is not served by TLS", host)
	}
	address := u.Host
	if u.Port() == "" {
		address = net.JoinHostPort(u.Hostname(), "443")
	}
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", address, &tls.Config{InsecureSkipVerify: true}) // only the date is read
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = conn.Close() }()
	certs := conn.ConnectionState().PeerCertificates
	if len(certs) == 0 {
		return time.Time{}, errors.New("the server shows no certificate")
	}
	return certs[0].NotAfter, nil
}

// versionsFinding compares the versions of Kubernetes in the fleet. What
// tenants may write is what all serve, so far-apart versions cost them.
func versionsFinding(list *clusterv1alpha1.PhysicalClusterList) finding {
	var low, high semver.Version
	var lowName, highName string
	for i := range list.Items {
		v, err := semver.ParseTolerant(list.Items[i].Status.Version)
		if err != nil {
			continue
		}
		if lowName == "" || v.LT(low) {
			low, lowName = v, list.Items[i].Name
		}
		if highName == "" || v.GT(high) {
			high, highName = v, list.Items[i].Name
		}
	}
	switch {
	case lowName == "":
		return finding{"versions", "fleet", warning, "no version is known", "make a cluster ready"}
	case high.Major != low.Major || high.Minor-low.Minor > 3:
		return finding{"versions", "fleet", warning, fmt.Sprintf("from %s (%s) to %s (%s)", low, lowName, high, highName), "upgrade " + lowName + ": tenants can use only what every cluster serves"}
	}
	return finding{"versions", "fleet", fine, fmt.Sprintf("from %s to %s", low, high), ""}
}
