package netfault

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
)

// insideVariable is set in the process that runs the tests.
const insideVariable = "UPSURGE_NETFAULT_INSIDE"

// TestMain runs the tests in a child with namespaces of its own: its network
// is the router between the tests' hosts, its mounts hide what the tests put
// over files of the system, and with it end all processes that it started.
func TestMain(m *testing.M) {
	if os.Getuid() != 0 {
		fmt.Fprintln(os.Stderr, "SKIPPED: the tests of network faults make network namespaces, which takes root")
		os.Exit(m.Run())
	}
	if os.Getenv(insideVariable) == "" {
		os.Exit(inside())
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "preparing the namespace:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// inside runs this program again in new namespaces and returns its exit code.
func inside() int {
	runtime.LockOSThread() // Pdeathsig is about the thread that starts the child
	child := exec.Command("/proc/self/exe", os.Args[1:]...)
	child.Env = append(os.Environ(), insideVariable+"=1")
	child.Stdin, child.Stdout, child.Stderr = os.Stdin, os.Stdout, os.Stderr
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:   syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Unshareflags: syscall.CLONE_NEWNS,
		Pdeathsig:    syscall.SIGKILL,
	}
	err := child.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "SKIPPED: the tests of network faults, because namespaces cannot be made here:", err)
		return 0
	}
	return child.ProcessState.ExitCode()
}

// prepare makes this namespace a router.
func prepare() error {
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// ip keeps the names of namespaces here; nobody else shall see them.
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", "/run/netns", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount /run/netns: %w", err)
	}
	if err := coverHosts(); err != nil {
		return err
	}
	if output, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("ip (Debian's iproute2): %w: %s", err, output)
	}
	return os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0o600)
}

// hostsFile is where the system's resolver looks first.
const hostsFile = "/etc/hosts"

// coverHosts puts a file that tests may write over the system's own.
func coverHosts() error {
	cover, err := os.CreateTemp("/run/netns", "hosts")
	if err != nil {
		return err
	}
	if err := cover.Close(); err != nil {
		return err
	}
	if err := syscall.Mount(cover.Name(), hostsFile, "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", hostsFile, err)
	}
	return nil
}
