package cluster

import (
	"k8s.io/apimachinery/pkg/types"
)

// setIdentityLocked notes which cluster a member was found to be, and which of
// several registrations of one cluster counts.
func (f *Fleet) setIdentityLocked(m *member, uid types.UID) {
	old := m.facts.uid
	if old == uid {
		return
	}
	m.facts.uid, m.duplicateOf = uid, ""
	if old != "" {
		delete(f.byUID[old], m)
		f.judgeDuplicatesLocked(old)
	}
	if uid != "" {
		if f.byUID[uid] == nil {
			f.byUID[uid] = map[*member]bool{}
		}
		f.byUID[uid][m] = true
		f.judgeDuplicatesLocked(uid)
	}
}

// judgeDuplicatesLocked decides which registration of a cluster counts, and
// publishes those whose lot changed.
func (f *Fleet) judgeDuplicatesLocked(uid types.UID) {
	var first *member
	for m := range f.byUID[uid] {
		if first == nil || m.before(first) {
			first = m
		}
	}
	if first == nil {
		delete(f.byUID, uid)
		return
	}
	for m := range f.byUID[uid] {
		was := m.duplicateOf
		m.duplicateOf = ""
		if m != first {
			m.duplicateOf = first.name
		}
		if m.duplicateOf != was && m.state != nil {
			f.publishLocked(m, false, false)
		}
	}
}
