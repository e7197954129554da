package main

import "syscall"

// childAttributes makes a child end with its parent, whatever ends that, and
// keeps a Ctrl-C at the terminal from reaching it twice.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
}
