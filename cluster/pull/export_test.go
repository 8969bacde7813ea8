package pull

// RawClient is the client of this package, which asks no server what it serves.
var RawClient = newClient
