package guard

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/tmc-sdk/tmc/transform"
)

// Level of the Pod Security Standards, see
// https://kubernetes.io/docs/concepts/security/pod-security-standards/.
type Level string

// Levels, the strictest first.
const (
	Restricted Level = "restricted"
	Baseline   Level = "baseline"
)

// EnforceLabel is the label of a namespace by which Pod Security Admission
// enforces a level.
const EnforceLabel = "pod-security.kubernetes.io/enforce"

// Labels are for transform.WithNamespaceLabels: the cluster then lets no pod
// into a tenant's namespace that is not of the level, whoever makes it.
func (l Level) Labels() map[string]string { return map[string]string{EnforceLabel: string(l)} }

// Writer is an installation as a physical cluster knows it.
type Writer struct {
	// Installation is its id, as given to transform.NewPipeline.
	Installation string
	// Username that its loop has on the cluster.
	Username string
	// Adopts allows it to write to objects that bear no marks, which adoption
	// does. Without, the cluster refuses to let it adopt.
	Adopts bool
	// PodSecurity, if set, is the level that every namespace that it makes has
	// to enforce.
	PodSecurity Level
	// Trusted are groups that may write marks by hand, such as
	// "system:masters". None by default. The controllers of Kubernetes itself
	// always may: they copy labels of a Service to its EndpointSlices.
	Trusted []string
}

// Policies returns the ValidatingAdmissionPolicies of an installation with
// their bindings, in the order in which to apply them.
//
// The first says what the loop may write: objects with its own marks, in a
// namespace that it made for the same logical cluster, never a subresource, and
// never with the owner of a mark changed. The second says that nobody else
// writes marks of the installation. Policies fail closed.
func Policies(w Writer) ([]client.Object, error) {
	if err := w.validate(); err != nil {
		return nil, err
	}
	writes, marks := w.writes(), w.marks()
	return []client.Object{writes, binding(writes.Name), marks, binding(marks.Name)}, nil
}

func (w *Writer) validate() error {
	if problems := validation.IsDNS1123Label(w.Installation); len(problems) > 0 {
		return fmt.Errorf("guard: Installation %q: %s", w.Installation, problems[0])
	}
	if w.Username == "" {
		return errors.New("guard: Username is empty: set it to the user that the loop authenticates as on the cluster")
	}
	if !slices.Contains([]Level{"", Restricted, Baseline}, w.PodSecurity) {
		return fmt.Errorf("guard: PodSecurity %q: must be %q, %q or empty", w.PodSecurity, Restricted, Baseline)
	}
	return nil
}

// label is the CEL that reads a label of an object, empty if it has none.
func label(object, key string) string {
	return fmt.Sprintf("(has(%[1]s.metadata.labels) ? %[1]s.metadata.labels[?%[2]s].orValue('') : '')", object, quote(key))
}

// quote returns a string literal of CEL. What it quotes has been validated or
// is escaped here.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\r", `\r`).Replace(s) + "'"
}

func (w *Writer) writes() *admissionv1.ValidatingAdmissionPolicy {
	ours := func(object string) string {
		return label(object, transform.LabelInstallation) + " == " + quote(w.Installation)
	}
	tenant := func(object string) string { return label(object, transform.LabelLogicalCluster) }
	before := "oldObject == null || " + ours("oldObject")
	if w.Adopts {
		before += " || (" + label("oldObject", transform.LabelInstallation) + " == '' && request.operation == 'UPDATE')"
	}
	validations := []admissionv1.Validation{
		{
			Expression: "!has(request.subResource) || request.subResource == ''",
			Message:    "the sync loop writes no subresource",
		},
		{
			Expression: "object == null || " + ours("object"),
			Message:    "the sync loop writes only objects that bear the marks of its installation",
		},
		{
			Expression: before,
			Message:    "the sync loop touches only objects that bear the marks of its installation",
		},
		{
			Expression: "object == null || oldObject == null || " + tenant("oldObject") + " == '' || " + tenant("object") + " == " + tenant("oldObject"),
			Message:    "a copy stays that of its logical cluster",
		},
		{
			Expression: "object == null || namespaceObject == null || (" + ours("namespaceObject") + " && " + tenant("object") + " != '' && " +
				tenant("object") + " == " + tenant("namespaceObject") + ")",
			Message: "a copy stands in a namespace that was made for its own logical cluster",
		},
	}
	if w.PodSecurity != "" {
		validations = append(validations, admissionv1.Validation{
			Expression: "object == null || request.resource.group != '' || request.resource.resource != 'namespaces' || " +
				label("object", EnforceLabel) + " == " + quote(string(w.PodSecurity)),
			Message: fmt.Sprintf("a namespace of the sync loop enforces the Pod Security level %s", w.PodSecurity),
		})
	}
	p := policy(w.Installation+"-writes", validations)
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{Name: "by-the-loop", Expression: "request.userInfo.username == " + quote(w.Username)}}
	// What a client asks about itself, and what elects a leader, is not an
	// object of a tenant.
	p.Spec.MatchConstraints.ExcludeResourceRules = []admissionv1.NamedRuleWithOperations{
		rule("authentication.k8s.io"), rule("authorization.k8s.io"), rule("coordination.k8s.io"),
	}
	return p
}

func (w *Writer) marks() *admissionv1.ValidatingAdmissionPolicy {
	var kept []string
	for _, key := range []string{transform.LabelInstallation, transform.LabelLogicalCluster, transform.LabelBucket} {
		kept = append(kept, label("object", key)+" == "+label("oldObject", key))
	}
	for _, key := range []string{transform.AnnotationMarks, transform.AnnotationNamespace, transform.AnnotationName, transform.AnnotationUID} {
		annotation := func(object string) string {
			return strings.ReplaceAll(label(object, key), ".metadata.labels", ".metadata.annotations")
		}
		kept = append(kept, annotation("object")+" == "+annotation("oldObject"))
	}
	p := policy(w.Installation+"-marks", []admissionv1.Validation{{
		Expression: "oldObject != null && " + strings.Join(kept, " && "),
		Message:    "only the sync loop makes objects with the marks of its installation, changes marks or takes them off",
	}})
	by := "request.userInfo.username != " + quote(w.Username) +
		" && !request.userInfo.username.startsWith('system:kube-') && !request.userInfo.username.startsWith('system:serviceaccount:kube-system:')" +
		" && !request.userInfo.username.startsWith('system:node:') && request.userInfo.username != 'system:apiserver'"
	p.Spec.MatchConditions = []admissionv1.MatchCondition{{Name: "by-others", Expression: by}}
	for _, group := range w.Trusted {
		p.Spec.MatchConditions[0].Expression += " && !(" + quote(group) + " in request.userInfo.groups)"
	}
	// To delete takes no mark off: what is deleted by hand comes back.
	p.Spec.MatchConstraints.ResourceRules[0].Operations = []admissionv1.OperationType{admissionv1.Create, admissionv1.Update}
	p.Spec.MatchConstraints.ObjectSelector = &metav1.LabelSelector{MatchLabels: map[string]string{transform.LabelInstallation: w.Installation}}
	return p
}

func policy(name string, validations []admissionv1.Validation) *admissionv1.ValidatingAdmissionPolicy {
	all := rule("*")
	all.Operations = []admissionv1.OperationType{admissionv1.Create, admissionv1.Update, admissionv1.Delete}
	return &admissionv1.ValidatingAdmissionPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicy"},
		ObjectMeta: metav1.ObjectMeta{Name: "tmc-" + name},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			FailurePolicy:    new(admissionv1.Fail),
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{all}},
			Validations:      validations,
		},
	}
}

func rule(group string) admissionv1.NamedRuleWithOperations {
	return admissionv1.NamedRuleWithOperations{RuleWithOperations: admissionv1.RuleWithOperations{
		Operations: []admissionv1.OperationType{admissionv1.OperationAll},
		Rule:       admissionv1.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: []string{"*/*"}},
	}}
}

func binding(policy string) *admissionv1.ValidatingAdmissionPolicyBinding {
	return &admissionv1.ValidatingAdmissionPolicyBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: admissionv1.SchemeGroupVersion.String(), Kind: "ValidatingAdmissionPolicyBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: policy},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: policy, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
		},
	}
}
