package placement

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/cel-go/cel"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/tmc-sdk/tmc/cluster/facts"
	"github.com/tmc-sdk/tmc/placement/v1alpha1"
)

// Matches says whether a selector selects a cluster; nil selects all. It
// returns an error for a selector that makes no sense. To ask about many
// clusters, compile the selector with NewMatcher.
func Matches(s *v1alpha1.ClusterSelector, c *facts.State) (bool, error) {
	m, err := NewMatcher(s)
	if err != nil {
		return false, err
	}
	return m.Matches(c)
}

// Matcher is a compiled selector. It is safe for concurrent use.
type Matcher struct {
	names      []string // sorted; empty for all
	labels     []rule
	properties []rule
	program    cel.Program
	request    map[string]any
}

// rule is one requirement on the value of a key.
type rule struct {
	key  string
	test func(value string, exists bool) bool
	// operator and values as they were given, for messages.
	operator v1alpha1.Operator
	values   []string
}

// NewMatcher compiles a selector; nil selects all. The error names all that
// makes no sense.
func NewMatcher(s *v1alpha1.ClusterSelector) (*Matcher, error) { return newMatcher(s, nil, nil) }

// newMatcher compiles a selector for a request, which may be nil.
func newMatcher(s *v1alpha1.ClusterSelector, r *Request, x *expressions) (*Matcher, error) {
	m := &Matcher{}
	if s == nil {
		return m, nil
	}
	m.names = s.Names
	if !slices.IsSorted(m.names) {
		m.names = slices.Sorted(slices.Values(m.names))
	}
	for key, value := range s.MatchLabels {
		m.labels = append(m.labels, rule{key, func(v string, exists bool) bool { return exists && v == value }, v1alpha1.OpIn, []string{value}})
	}
	slices.SortFunc(m.labels, func(a, b rule) int { return cmp.Compare(a.key, b.key) })
	var err error
	m.labels, err = compileRules(m.labels, s.MatchExpressions)
	var more error
	m.properties, more = compileRules(nil, s.MatchProperties)
	err = errors.Join(err, more)
	if s.Expression != "" {
		m.program, more = x.compile(s.Expression, aBool)
		m.request = requestVariable(r)
		err = errors.Join(err, more)
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

// Matches says whether the selector selects a cluster. An expression that
// fails on the cluster is an error.
func (m *Matcher) Matches(c *facts.State) (bool, error) {
	if len(m.names) > 0 {
		if _, ok := slices.BinarySearch(m.names, c.Name); !ok {
			return false, nil
		}
	}
	for i := range m.labels {
		if value, ok := c.Labels[m.labels[i].key]; !m.labels[i].test(value, ok) {
			return false, nil
		}
	}
	for i := range m.properties {
		if p, ok := c.Properties[m.properties[i].key]; !m.properties[i].test(p.Text, ok) {
			return false, nil
		}
	}
	if m.program == nil {
		return true, nil
	}
	return evaluate(m.program, m.request, c)
}

// mismatch says what of the selector a cluster does not satisfy; empty if it
// satisfies all, or an expression fails on it.
func (m *Matcher) mismatch(c *facts.State) string {
	var list []string
	if len(m.names) > 0 {
		if _, ok := slices.BinarySearch(m.names, c.Name); !ok {
			list = append(list, "its name is not among those given")
		}
	}
	for i := range m.labels {
		value, ok := c.Labels[m.labels[i].key]
		list = append(list, m.labels[i].mismatch("label", value, ok)...)
	}
	for i := range m.properties {
		p, ok := c.Properties[m.properties[i].key]
		list = append(list, m.properties[i].mismatch("property", p.Text, ok)...)
	}
	if m.program != nil {
		if ok, err := evaluate(m.program, m.request, c); !ok && err == nil {
			list = append(list, "the expression is false")
		}
	}
	return strings.Join(list, "; ")
}

func (r *rule) mismatch(what, value string, exists bool) []string {
	if r.test(value, exists) {
		return nil
	}
	has := fmt.Sprintf("%s %s is %q", what, r.key, value)
	if !exists {
		has = fmt.Sprintf("it has no %s %s", what, r.key)
	}
	switch r.operator {
	case v1alpha1.OpExists, v1alpha1.OpDoesNotExist:
		return []string{fmt.Sprintf("%s, and %s is asked for", has, r.operator)}
	default:
		return []string{fmt.Sprintf("%s, and %s %s is asked for", has, r.operator, shorten(strings.Join(r.values, ", "), 80))}
	}
}

// columns returns those of the clusters that satisfy all but the expression.
func (m *Matcher) columns(c *facts.Chunk, clusters facts.Mask) facts.Mask {
	for i := range m.labels {
		clusters = clusters.And(c.Label(m.labels[i].key).Select(m.labels[i].test))
	}
	for i := range m.properties {
		clusters = clusters.And(c.Property(m.properties[i].key).Select(m.properties[i].test))
	}
	if len(m.names) > 0 {
		for i, ok := clusters.Next(0); ok; i, ok = clusters.Next(i + 1) {
			if _, named := slices.BinarySearch(m.names, c.At(i).Name); !named {
				clusters.Clear(i)
			}
		}
	}
	return clusters
}

func compileRules(rules []rule, requirements []v1alpha1.Requirement) ([]rule, error) {
	var errs []error
	for i := range requirements {
		test, err := compileTest(&requirements[i])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		rules = append(rules, rule{requirements[i].Key, test, requirements[i].Operator, requirements[i].Values})
	}
	return rules, errors.Join(errs...)
}

// compileTest returns the test that an operator makes.
func compileTest(r *v1alpha1.Requirement) (func(string, bool) bool, error) {
	values := r.Values
	switch r.Operator {
	case v1alpha1.OpIn:
		return func(v string, exists bool) bool { return exists && slices.Contains(values, v) }, nil
	case v1alpha1.OpNotIn:
		return func(v string, exists bool) bool { return !exists || !slices.Contains(values, v) }, nil
	case v1alpha1.OpExists:
		return func(_ string, exists bool) bool { return exists }, nil
	case v1alpha1.OpDoesNotExist:
		return func(_ string, exists bool) bool { return !exists }, nil
	case v1alpha1.OpGt, v1alpha1.OpLt, v1alpha1.OpSemVer:
		if len(values) != 1 {
			return nil, fmt.Errorf("operator %s of key %q takes exactly one value", r.Operator, r.Key)
		}
		return compileOrder(r)
	}
	return nil, fmt.Errorf("operator %q of key %q is not known", r.Operator, r.Key)
}

// compileOrder compiles the operators that compare. A value that is no quantity,
// or no version, satisfies none of them.
func compileOrder(r *v1alpha1.Requirement) (func(string, bool) bool, error) {
	if r.Operator == v1alpha1.OpSemVer {
		within, err := versionRange(r.Values[0])
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", r.Key, err)
		}
		return func(v string, exists bool) bool { return exists && within(v) }, nil
	}
	want, err := resource.ParseQuantity(r.Values[0])
	if err != nil {
		return nil, fmt.Errorf("value %q of key %q is not a quantity", r.Values[0], r.Key)
	}
	sign := 1
	if r.Operator == v1alpha1.OpLt {
		sign = -1
	}
	return func(v string, exists bool) bool {
		if !exists {
			return false
		}
		got, err := resource.ParseQuantity(v)
		return err == nil && got.Cmp(want) == sign
	}, nil
}
