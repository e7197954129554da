package server

import (
	"errors"
	"fmt"
	"syscall"
)

// BindError says what failed, on which address, and what to do about it.
func BindError(address string, err error) error {
	return fmt.Errorf("listening on %s: %w%s", address, err, listenHint(err))
}

// listenHint says what to do about an address that can't be had.
func listenHint(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return " (another program listens there: choose another port or stop it)"
	case errors.Is(err, syscall.EACCES):
		return " (ports below 1024 need root, CAP_NET_BIND_SERVICE or a lower net.ipv4.ip_unprivileged_port_start)"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return " (this host has no such address)"
	default:
		return ""
	}
}
