package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// Event is an event of audit.k8s.io/v1, as API servers write it.
type Event = auditv1.Event

// Verbs of what was done. Requests to API servers have the verbs of Kubernetes.
const (
	// VerbCreate made an object.
	VerbCreate = "create"
	// VerbPatch changed an object.
	VerbPatch = "patch"
	// VerbDelete deleted an object.
	VerbDelete = "delete"
	// VerbDecide recorded where work goes.
	VerbDecide = "decide"
	// VerbRefuse refused what an owner asked for.
	VerbRefuse = "refuse"
	// VerbRelease let a deletion complete though a copy may remain.
	VerbRelease = "release"
)

// Verbs of what a log says of itself.
const (
	// VerbStart begins a chain, or continues it after a restart.
	VerbStart = "start"
	// VerbHeads records the heads of the chains of other writers.
	VerbHeads = "heads"
	// VerbLost says how many events were lost before it.
	VerbLost = "lost"
	// VerbPrune says which events rotation removed.
	VerbPrune = "prune"
)

const domain = "audit.tmc-sdk.dev/"

// Annotations of an event.
const (
	// AnnotationWriter, AnnotationSequence, AnnotationPrevious and
	// AnnotationHash are the event's place in the chain.
	AnnotationWriter   = domain + "writer"
	AnnotationSequence = domain + "sequence"
	AnnotationPrevious = domain + "previous"
	AnnotationHash     = domain + "hash"
	// AnnotationWorkspace is the logical cluster that the event concerns.
	AnnotationWorkspace = domain + "workspace"
	// AnnotationCluster is the physical cluster that the event concerns.
	AnnotationCluster = domain + "cluster"
	// AnnotationKind is the kind of the object.
	AnnotationKind = domain + "kind"
	// AnnotationOriginal is the original of a copy, as namespace/name.
	AnnotationOriginal = domain + "original"
	// AnnotationOriginalUID is the UID of the original.
	AnnotationOriginalUID = domain + "original-uid"
	// AnnotationCause says why, in CamelCase.
	AnnotationCause = domain + "cause"
	// AnnotationBefore and AnnotationAfter are digests of the object.
	AnnotationBefore = domain + "before"
	AnnotationAfter  = domain + "after"
	// AnnotationHeads are heads of other chains, as "writer=sequence:hash".
	AnnotationHeads = domain + "heads"
	// AnnotationCount is how many events were lost, or the sequence number of
	// the last that was pruned.
	AnnotationCount = domain + "count"
	// AnnotationTorn is the digest of the half line that a start found.
	AnnotationTorn = domain + "torn"
)

// Object names one object.
type Object struct {
	// Kind of the object.
	Kind schema.GroupVersionKind
	// Namespace of the object; empty for a cluster-scoped one.
	Namespace string
	// Name of the object.
	Name string
	// UID of the object; empty where it is not known.
	UID types.UID
}

// Entry is one thing that was done, or refused.
type Entry struct {
	// Verb: what was done.
	Verb string
	// Actor: who did it, as the clusters know them. Empty: the writer.
	Actor string
	// Workspace that it concerns: the name of the logical cluster.
	Workspace string
	// Cluster that it happened on; empty for what happened in the workspace.
	Cluster string
	// Object that it was done to, there.
	Object Object
	// Original of the object, where the object is a copy.
	Original Object
	// Cause: why, in CamelCase.
	Cause string
	// Message: why, in a sentence.
	Message string
	// Before and After are digests of the object. A digest must not be the
	// object.
	Before, After string
	// Code is the HTTP status of the API server's answer. Zero: 200.
	Code int32
	// Time it happened. Zero: now.
	Time time.Time
}

// event makes the event of an entry, without its place in the chain.
func (e *Entry) event(writer string, key []byte) *Event {
	actor := e.Actor
	if actor == "" {
		actor = writer
	}
	code := e.Code
	if code == 0 {
		code = http.StatusOK
	}
	at := metav1.NewMicroTime(e.Time.UTC().Truncate(time.Microsecond))
	ev := &Event{
		TypeMeta: metav1.TypeMeta{APIVersion: auditv1.SchemeGroupVersion.String(), Kind: "Event"},
		Level:    auditv1.LevelMetadata, AuditID: types.UID(uuid.NewString()), Stage: auditv1.StageResponseComplete,
		Verb: e.Verb, User: authenticationv1.UserInfo{Username: actor},
		ResponseStatus:           &metav1.Status{Code: code, Reason: metav1.StatusReason(e.Cause), Message: e.message()},
		RequestReceivedTimestamp: at, StageTimestamp: at,
		Annotations: map[string]string{},
	}
	if e.Object.Name != "" {
		ev.ObjectRef, ev.RequestURI = e.Object.reference()
	}
	before, after := e.digests(key)
	for name, value := range map[string]string{
		AnnotationWorkspace: e.Workspace, AnnotationCluster: e.Cluster, AnnotationKind: e.Object.Kind.Kind,
		AnnotationOriginalUID: string(e.Original.UID), AnnotationCause: e.Cause,
		AnnotationBefore: before, AnnotationAfter: after,
	} {
		if value != "" {
			ev.Annotations[name] = value
		}
	}
	if e.Original.Name != "" {
		ev.Annotations[AnnotationOriginal] = strings.TrimPrefix(e.Original.Namespace+"/"+e.Original.Name, "/")
	}
	return ev
}

func (o *Object) reference() (*auditv1.ObjectReference, string) {
	plural, _ := meta.UnsafeGuessKindToResource(o.Kind)
	path := "/apis/" + o.Kind.Group + "/" + o.Kind.Version
	if o.Kind.Group == "" {
		path = "/api/" + o.Kind.Version
	}
	if o.Namespace != "" {
		path += "/namespaces/" + o.Namespace
	}
	return &auditv1.ObjectReference{
		Resource: plural.Resource, Namespace: o.Namespace, Name: o.Name, UID: o.UID,
		APIGroup: o.Kind.Group, APIVersion: o.Kind.Version,
	}, path + "/" + plural.Resource + "/" + o.Name
}

func (e *Entry) aboutSecret() bool {
	return e.Object.Kind.Kind == "Secret" || e.Original.Kind.Kind == "Secret"
}

// digests returns what may be written of the digests: a short secret can be
// found by trying which one has the digest, unless the digest is keyed.
func (e *Entry) digests(key []byte) (before, after string) {
	if len(key) == 0 {
		if e.aboutSecret() {
			return "", ""
		}
		return e.Before, e.After
	}
	keyed := func(digest string) string {
		if digest == "" {
			return ""
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(digest))
		return hex.EncodeToString(mac.Sum(nil))
	}
	return keyed(e.Before), keyed(e.After)
}

// maxMessage bounds a message in bytes.
const maxMessage = 1024

// message returns what may be written of the message. API servers quote values
// that they refuse, after the word value; nothing behind it is kept. Of a
// Secret the cause must do.
func (e *Entry) message() string {
	if e.aboutSecret() {
		return ""
	}
	m := e.Message
	if before, _, quoted := strings.Cut(m, " value: "); quoted {
		m = before + " value: [hidden]"
	}
	if len(m) > maxMessage {
		m = m[:maxMessage]
	}
	return strings.ToValidUTF8(m, "\uFFFD")
}
