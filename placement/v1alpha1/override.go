package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Override patches copies on some clusters.
//
// +kubebuilder:validation:XValidation:rule="[has(self.jsonPatch), has(self.mergePatch), has(self.strategicMergePatch)].exists_one(given, given)",message="give exactly one of jsonPatch, mergePatch and strategicMergePatch"
type Override struct {
	// resources to patch, among those covered. Empty: all.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Resources []ResourceSelector `json:"resources,omitempty"`
	// clusters on which to patch. Absent: all targets.
	// +optional
	Clusters *ClusterSelector `json:"clusters,omitempty"`
	// jsonPatch is an RFC 6902 patch.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	JSONPatch []JSONPatchOperation `json:"jsonPatch,omitempty"`
	// mergePatch is an RFC 7386 merge patch.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	MergePatch *apiextensionsv1.JSON `json:"mergePatch,omitempty"`
	// strategicMergePatch is a patch that merges lists by the keys of their
	// elements, as kubectl does, for the kinds of Kubernetes.
	// +optional
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	StrategicMergePatch *apiextensionsv1.JSON `json:"strategicMergePatch,omitempty"`
}

// JSONPatchOperation is one operation of an RFC 6902 patch.
//
// +kubebuilder:validation:XValidation:rule="(self.op in ['move','copy']) == has(self.from)",message="move and copy take from, the others do not"
type JSONPatchOperation struct {
	// op is the operation.
	// +kubebuilder:validation:Enum=add;remove;replace;move;copy;test
	Op string `json:"op"`
	// path is the JSON pointer to what the operation is on.
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path"`
	// from is the JSON pointer to move or copy from.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	From string `json:"from,omitempty"`
	// value to add, replace with or test against.
	// +optional
	Value *apiextensionsv1.JSON `json:"value,omitempty"`
}
