// Package scene sets up what a test of the built binary needs around a real
// Locust master: upsurge processes, workers with the files of their own sums,
// targets with their own books, and the comparison of all three.
//
// The binary comes from the environment variable UPSURGE_BINARY. Every process
// is ended when its test ends, and its output is printed when the test failed.
// All functions and methods may fail the test at once and are therefore for
// the test's own goroutine.
package scene
