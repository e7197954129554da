package server

import "upsurge/targets"

// Handler is one loop's side of a protocol. Its methods run on the loop's
// goroutine, one at a time, and must not block.
type Handler interface {
	// OnOpen is called once, when the connection was accepted.
	OnOpen(*Conn)
	// OnData is called with what was read. The bytes are the loop's buffer:
	// valid during the call only.
	OnData(*Conn, []byte)
	// OnWritable is called when the bytes kept by Queue have gone to the
	// kernel (also when the connection is closing after them), or after
	// NotifyWritable when the kernel takes more.
	OnWritable(*Conn)
	// OnTimer is called when the time set by SetTimer or RearmTimer is up.
	OnTimer(*Conn)
	// OnClose is called once, last, after the socket was closed. Nothing
	// may be written any more.
	OnClose(*Conn)
}

// HandlerFactory makes the handler of one loop. The counters are the loop's
// own: the handler raises MessagesSent, MessagesReceived, Requests,
// SlowSkipped and Errors, from its callbacks only; the rest is counted here.
type HandlerFactory func(counters *targets.Counters) Handler
