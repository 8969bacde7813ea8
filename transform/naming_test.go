package transform_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"
	"pgregory.net/rapid"

	"github.com/tmc-sdk/tmc/transform"
)

func TestHashedNaming(t *testing.T) {
	for name, tc := range map[string]struct {
		reason string
		origin transform.Origin
		want   [2]string
	}{
		"namespaced": {
			reason: "these bytes are on clusters: a change would orphan every copy",
			origin: transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web"},
			want:   [2]string{"shop-cs2yl52wdhmlstd7", "web"},
		},
		"cluster-scoped": {
			reason: "a name that two workspaces may both use needs the hash",
			origin: transform.Origin{LogicalCluster: "1abc", Name: "web"},
			want:   [2]string{"", "web-oqe65fq2iol5xdpb"},
		},
		"uid": {
			reason: "an original made anew takes the place of the old one",
			origin: transform.Origin{LogicalCluster: "1abc", Namespace: "shop", Name: "web", UID: "u-2"},
			want:   [2]string{"shop-cs2yl52wdhmlstd7", "web"},
		},
		"long namespace": {
			reason: "a namespace has at most 63 characters",
			origin: transform.Origin{LogicalCluster: "1abc", Namespace: strings.Repeat("n", 63), Name: "web"},
			want:   [2]string{strings.Repeat("n", 46) + "-", "web"},
		},
		"cut at a dash": {
			reason: "a name that is cut does not end in two dashes",
			origin: transform.Origin{LogicalCluster: "1abc", Namespace: strings.Repeat("n", 45) + "-" + strings.Repeat("m", 10), Name: "web"},
			want:   [2]string{strings.Repeat("n", 45) + "-", "web"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			namespace, copied := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, tc.origin)
			if strings.HasSuffix(tc.want[0], "-") { // only the readable part matters
				require.Len(t, namespace, len(tc.want[0])+16, tc.reason)
				namespace = namespace[:len(tc.want[0])]
			}
			if diff := cmp.Diff(tc.want, [2]string{namespace, copied}); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

// Whatever the names, the place is a valid one, and two originals never share it.
func TestHashedNamingProperties(t *testing.T) {
	label := rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?`)
	maybe := rapid.OneOf(rapid.Just(""), label)
	origin := func(rt *rapid.T, which string) transform.Origin {
		return transform.Origin{
			LogicalCluster: label.Draw(rt, "cluster "+which),
			Namespace:      maybe.Draw(rt, "namespace "+which),
			Name:           rapid.StringMatching(`[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?){0,2}`).Draw(rt, "name "+which),
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		a, b := origin(rt, "a"), origin(rt, "b")
		if rapid.Bool().Draw(rt, "same namespace") {
			b.Namespace = a.Namespace
		}
		if rapid.Bool().Draw(rt, "same name") {
			b.Name = a.Name
		}
		namespaceA, nameA := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, a)
		namespaceB, nameB := transform.HashedNaming{}.Locate(schema.GroupVersionKind{}, b)
		if (a == b) != (namespaceA == namespaceB && nameA == nameB) {
			rt.Fatalf("%+v and %+v stand at %s/%s and %s/%s", a, b, namespaceA, nameA, namespaceB, nameB)
		}
		if namespaceA != "" && len(validation.IsDNS1123Label(namespaceA)) > 0 {
			rt.Fatalf("%q is no namespace", namespaceA)
		}
		if len(validation.IsDNS1123Subdomain(nameA)) > 0 {
			rt.Fatalf("%q is no name", nameA)
		}
	})
}

func ExampleSameNaming() {
	p, err := transform.NewPipeline("prod-agent", transform.WithNaming(transform.SameNaming{}))
	if err != nil {
		panic(err)
	}
	origin := transform.Origin{LogicalCluster: "mailbox", Namespace: "default-b3ux", Name: "web"}
	fmt.Println(p.Locate(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, origin))
	fmt.Println(p.Namespace(transform.Origin{LogicalCluster: "mailbox", Namespace: "default-b3ux"}).GetName())
	// Output:
	// default-b3ux web
	// default-b3ux
}
