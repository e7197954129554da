// Package relay stands between workers and a real Locust master: it reads every
// message that passes, and makes the network fail in the ways that networks do.
// It changes no byte; the master stays a real one, and so does the worker.
//
// Two goroutines carry each connection, one a direction; they end when the
// connection does, and all of them when the test ends. All methods are safe
// from any goroutine; those that fail the test are for the test's own.
package relay
