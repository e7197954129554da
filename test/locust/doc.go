// Package locust drives real Locust masters, and Python workers beside them,
// from Go tests.
//
// A hand-written master proves nothing about Locust, so the integration tests
// start the real one as a child process and look at it as a person does: over
// its web pages while it runs, and at its final figures when it has ended. The
// executables come from the environment variable UPSURGE_LOCUST, which
// `make test-integration` sets; what differs between Locust's releases is
// evened out here, so that a test reads one set of fields.
//
// Every child runs in a process group and a home folder of its own, is killed
// when its test ends or the test process dies, and its log is printed when the
// test failed. A goroutine per child belongs to the child until it ends: take
// goleak.IgnoreCurrent after Start where a test checks for leaks while a master
// runs. All functions and methods may fail the test at once and are therefore
// for the test's own goroutine.
package locust
