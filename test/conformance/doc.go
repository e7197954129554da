// Package conformance checks against real Locust masters that a worker is one:
// that it joins, spawns, counts, fails and leaves as a master expects, on every
// generation of Locust and with each build of the worker. `make conformance`
// runs the checks and writes what came of them to docs/conformance.md.
//
// This package holds the list of the checks and the account of their outcomes;
// the checks are its tests. They look from outside: at the built binary, at the
// master's pages, and at the wire, through a relay that changes no byte. Where
// a user class with a known amount of work is wanted, the test binary starts
// itself as a worker with such classes.
package conformance
