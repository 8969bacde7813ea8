package guard_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/tmc-sdk/tmc/sync/guard"
)

func ExamplePolicies() {
	policies, err := guard.Policies(guard.Writer{Installation: "prod", Username: "system:serviceaccount:tmc-system:controller", PodSecurity: guard.Restricted})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, obj := range policies {
		fmt.Println(obj.GetObjectKind().GroupVersionKind().Kind, obj.GetName())
		if p, ok := obj.(*admissionv1.ValidatingAdmissionPolicy); ok {
			for _, v := range p.Spec.Validations {
				fmt.Println("-", v.Message)
			}
		}
	}
	// Output:
	// ValidatingAdmissionPolicy tmc-prod-writes
	// - the sync loop writes no subresource
	// - the sync loop writes only objects that bear the marks of its installation
	// - the sync loop touches only objects that bear the marks of its installation
	// - a copy stays that of its logical cluster
	// - a copy stands in a namespace that was made for its own logical cluster
	// - a namespace of the sync loop enforces the Pod Security level restricted
	// ValidatingAdmissionPolicyBinding tmc-prod-writes
	// ValidatingAdmissionPolicy tmc-prod-marks
	// - only the sync loop makes objects with the marks of its installation, changes marks or takes them off
	// ValidatingAdmissionPolicyBinding tmc-prod-marks
}

func TestPoliciesNameTheField(t *testing.T) {
	good := guard.Writer{Installation: "prod", Username: "tmc"}
	for field, spoil := range map[string]func(*guard.Writer){
		"Installation": func(w *guard.Writer) { w.Installation = "it's" },
		"Username":     func(w *guard.Writer) { w.Username = "" },
		"PodSecurity":  func(w *guard.Writer) { w.PodSecurity = "lax" },
	} {
		bad := good
		spoil(&bad)
		_, err := guard.Policies(bad)
		require.ErrorContains(t, err, field)
	}
	_, err := guard.Policies(good)
	require.NoError(t, err)
}

// A user name is data, whatever is in it.
func TestAUserNameIsQuoted(t *testing.T) {
	policies, err := guard.Policies(guard.Writer{Installation: "prod", Username: "o'hara\\' || true || '"})
	require.NoError(t, err)
	p := policies[0].(*admissionv1.ValidatingAdmissionPolicy)
	require.Equal(t, `request.userInfo.username == 'o\'hara\\\' || true || \''`, p.Spec.MatchConditions[0].Expression)
}
