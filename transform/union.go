package transform

import (
	"strings"
)

// mostMerged bounds a merged list.
const mostMerged = 1000

// union joins lists of maps, in the order of clusters; an item whose keys were
// seen before is left out.
type union struct {
	keys []string
	list ordered[part]
}

type part struct {
	cluster string
	items   []any
}

func newUnion(keys []string) *union {
	return &union{keys: keys, list: ordered[part]{compare: func(a, b part) int { return strings.Compare(a.cluster, b.cluster) }}}
}

func (u *union) add(cluster string, value any) {
	if items, ok := value.([]any); ok {
		u.list.insert(part{cluster, items})
	}
}

func (u *union) drop(cluster string, value any) {
	if _, ok := value.([]any); ok {
		u.list.remove(part{cluster: cluster})
	}
}

func (u *union) value(int) (any, bool) {
	seen := map[string]bool{}
	out := []any{}
	for _, p := range u.list.items {
		for _, item := range p.items {
			m, ok := item.(map[string]any)
			if !ok {
				continue
			}
			if key := u.key(m); !seen[key] {
				seen[key] = true
				if out = append(out, item); len(out) == mostMerged {
					return out, true
				}
			}
		}
	}
	return out, len(out) > 0
}

func (u *union) key(m map[string]any) string {
	parts := make([]string, 0, len(u.keys))
	for _, name := range u.keys {
		parts = append(parts, canonical(m[name]))
	}
	return strings.Join(parts, "\x00")
}

func (u *union) count() int { return len(u.list.items) }
