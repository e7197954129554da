//go:build !linux

package httpqps

import "net"

// probe looks whether a connection at rest can still be used: here it can't
// tell, and a connection that the peer ended meanwhile fails the next request.
type probe struct{}

func (*probe) forget() {}

func (*probe) isDead(*net.TCPConn, bool) bool { return false }
