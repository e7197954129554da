// Package soak has the long test: two workers and a real master under load for
// as long as MINUTES says, users up and down every few seconds, and one fault
// after the other, in an order that SEED gives. At the end of every test all
// books must agree, and at the end of the soak the workers must be as small as
// at its beginning. `make soak` runs it; without MINUTES it is skipped.
package soak
