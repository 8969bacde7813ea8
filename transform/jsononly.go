package transform

// JSONOnly is an optional interface of transformers: those that say true write
// into objects only what decoders of JSON make: maps and lists of any, texts,
// booleans, int64, float64 and nil. Without it the pipeline looks through the
// whole object after each call, and puts int64 in the place of an int, and so
// on: that costs more than most transformers do.
type JSONOnly interface {
	// JSONOnly says whether Transform writes nothing else.
	JSONOnly() bool
}

func jsonOnly(step Transformer) bool {
	j, ok := step.(JSONOnly)
	return ok && j.JSONOnly()
}
