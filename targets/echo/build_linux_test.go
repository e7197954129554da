//go:build linux && !portable

package echo_test

const portable = false
