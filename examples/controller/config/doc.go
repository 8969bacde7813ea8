// Package config is the configuration file of a TMC controller: a versioned
// kind that reaches every option of the rooms, is decoded strictly, and is
// validated with the field and the remedy in each message.
//
// # Usage
//
//	c, err := config.Load("controller.yaml")
//
// Load reads, fills in defaults and validates. The types are to copy: a
// platform that wants other knobs keeps those it needs.
//
// # Considerations
//
// What is left out has a default, and the effective configuration can be
// printed (Encode). Credentials are never in it, only where they are.
package config
