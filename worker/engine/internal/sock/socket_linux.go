//go:build linux && !portable

package sock

import (
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Open makes a non-blocking TCP socket of remote's family.
func Open(remote *Address) (int, syscall.Errno) {
	descriptor, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(remote.family()),
		unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	return int(descriptor), errno
}

// Bind sets the local address, with port 0, and leaves the choice of the port
// to Connect: only then may connections to different targets share a port. A
// kernel before 4.2 doesn't know the option and reserves the port here.
func Bind(descriptor int, local *Address) syscall.Errno {
	if errno := setOption(descriptor, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1); errno != 0 && errno != unix.ENOPROTOOPT {
		return errno
	}
	_, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(descriptor),
		uintptr(unsafe.Pointer(&local.raw)), uintptr(local.length))
	return errno
}

// SetNoDelay makes the kernel send small writes at once.
func SetNoDelay(descriptor int) syscall.Errno {
	return setOption(descriptor, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
}

// SetReset makes Close cut the connection with a reset instead of ending it,
// which also spares the local port its time in TIME_WAIT.
func SetReset(descriptor int) syscall.Errno {
	linger := unix.Linger{Onoff: 1}
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(descriptor), unix.SOL_SOCKET, unix.SO_LINGER,
		uintptr(unsafe.Pointer(&linger)), unsafe.Sizeof(linger), 0)
	return errno
}

// Connect begins to connect. EINPROGRESS says that it goes on.
func Connect(descriptor int, remote *Address) syscall.Errno {
	// Over loopback the whole handshake runs inside this call, hence a Syscall
	// that lets the runtime go on meanwhile.
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(descriptor),
		uintptr(unsafe.Pointer(&remote.raw)), uintptr(remote.length))
	if errno == unix.EINTR || errno == unix.EALREADY {
		// An interrupted connect goes on by itself; its end is an event.
		return unix.EINPROGRESS
	}
	return errno
}

// Failure takes the socket's pending error, 0 if there is none.
func Failure(descriptor int) syscall.Errno {
	var pending int32
	size := uint32(unsafe.Sizeof(pending))
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(descriptor), unix.SOL_SOCKET, unix.SO_ERROR,
		uintptr(unsafe.Pointer(&pending)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return syscall.Errno(pending)
}

// Read reads once. No bytes and no errno mean the end of what the peer sends.
//
// Neither this nor Write ever waits, so the runtime isn't told of the calls. If
// it were, it would look after its processor in each: with one processor that
// costs a switch of threads in every tenth call.
func Read(descriptor int, buffer []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(descriptor),
			uintptr(unsafe.Pointer(unsafe.SliceData(buffer))), uintptr(len(buffer)))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

// Write writes once and returns how many bytes the kernel took. EAGAIN says
// that it takes none at present.
func Write(descriptor int, data []byte) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(descriptor),
			uintptr(unsafe.Pointer(unsafe.SliceData(data))), uintptr(len(data)))
		if errno == unix.EINTR {
			continue
		}
		if errno != 0 {
			return 0, errno
		}
		return int(n), 0
	}
}

// CloseWrite sends a FIN and leaves the other direction open.
func CloseWrite(descriptor int) syscall.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_SHUTDOWN, uintptr(descriptor), unix.SHUT_WR, 0)
	return errno
}

// Close closes the descriptor. Linux frees it whatever the call returns, and
// trying again could close somebody else's, so there is no result.
func Close(descriptor int) {
	_, _, _ = unix.Syscall(unix.SYS_CLOSE, uintptr(descriptor), 0, 0)
}

// Local is the socket's own address; it is invalid when there is none.
func Local(descriptor int) netip.AddrPort { return name(unix.SYS_GETSOCKNAME, descriptor) }

// Remote is the peer's address; it is invalid when there is none.
func Remote(descriptor int) netip.AddrPort { return name(unix.SYS_GETPEERNAME, descriptor) }

func name(call uintptr, descriptor int) netip.AddrPort {
	var a Address
	a.length = uint32(unsafe.Sizeof(a.raw))
	_, _, errno := unix.RawSyscall(call, uintptr(descriptor),
		uintptr(unsafe.Pointer(&a.raw)), uintptr(unsafe.Pointer(&a.length)))
	if errno != 0 {
		return netip.AddrPort{}
	}
	return a.netip()
}

func setOption(descriptor, level, option, value int) syscall.Errno {
	v := int32(value)
	_, _, errno := unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(descriptor), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(&v)), unsafe.Sizeof(v), 0)
	return errno
}
