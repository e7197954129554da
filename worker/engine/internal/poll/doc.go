// Package poll waits for events of many descriptors, on epoll. A Poller belongs
// to one goroutine, except for Wake.
package poll
