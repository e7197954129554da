// Package server is the part that all targets share: it accepts connections,
// keeps them on a few event loops and tells a Handler what happens to them.
// It knows no protocol.
//
// Goroutines: one accepts; each loop runs on one, which owns the loop's
// connections, timers, counters and handler. A connection never changes its
// loop. Handlers are called on the loop's goroutine only and must not block.
//
// There are two builds with one contract. On Linux (unless built with the tag
// "portable") a loop is an epoll instance, and an idle connection costs no
// goroutine, no buffer, and less than 256 bytes. Elsewhere a loop is a mutex
// around connections of package net, each with a reading goroutine: the same
// behaviour for a laptop, not for a million connections.
package server
