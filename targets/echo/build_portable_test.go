//go:build !linux || portable

package echo_test

const portable = true // which allocates a goroutine for each write
