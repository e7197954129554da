//go:build !linux

package main

import "syscall"

// childAttributes keeps a Ctrl-C at the terminal from reaching a child twice.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
