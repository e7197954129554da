//go:build !goczmq

package zmq

// holdLibrary is for the build that has a library to hold.
func holdLibrary() (release func()) { return func() {} }
