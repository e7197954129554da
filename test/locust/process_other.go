//go:build !linux

package locust

import "syscall"

// childAttributes puts a child in a process group of its own. Only Linux can
// kill it when the test process dies.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
