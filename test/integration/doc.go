// Package integration tests the built binary as its users run it: real Locust
// masters, real worker processes, real targets, real connections. Run it with
// `make test-integration`, which builds the binary and finds Locust.
package integration
