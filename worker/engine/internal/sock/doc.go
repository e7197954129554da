// Package sock makes the system calls of non-blocking TCP sockets, without
// allocating and without hiding errnos. It keeps no state.
package sock
