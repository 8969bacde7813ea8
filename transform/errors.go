package transform

import (
	"fmt"
)

// Error says which transformer could not transform an object.
type Error struct {
	// Transformer that failed.
	Transformer string
	// Err is why.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("transformer %s: %v", e.Transformer, e.Err)
}

// Unwrap returns why the transformer failed.
func (e *Error) Unwrap() error { return e.Err }

// IdentityError says that a transformer changed what ties a copy to its
// original. Nothing is applied then.
type IdentityError struct {
	// Transformer that did it.
	Transformer string
	// Field that was changed.
	Field string
	// Want and Got are the values of the field.
	Want, Got string
}

// Error implements error.
func (e *IdentityError) Error() string {
	return fmt.Sprintf("transformer %s changed %s from %q to %q, which no transformer may", e.Transformer, e.Field, e.Want, e.Got)
}
