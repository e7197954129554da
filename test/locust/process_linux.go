package locust

import "syscall"

// childAttributes puts a child in a process group of its own and has the kernel
// kill it when the test process dies, say at a test timeout.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
