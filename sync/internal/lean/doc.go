// Package lean talks to API servers about unstructured objects and reads each answer
// once. client-go and controller-runtime read one four times: for its kind, to tell
// whether it is a list, for itself, and, of a watch, for the event around it. Where
// thousands of copies change at once that is a fifth of what the loop takes.
//
// Only what the loop does most is here, applies and watches; all else is left to the
// clients that these stand before. What servers answer means the same as there.
package lean
