//go:build linux && !portable

package sock

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Address is a socket address in the kernel's form. It is not changed once it
// is made, so loops may share it.
type Address struct {
	raw    unix.RawSockaddrInet6 // the larger of the two forms
	length uint32
}

// NewAddress builds the kernel's form of an address. The zone of an IPv6
// address must be an interface's name or number.
func NewAddress(a netip.AddrPort) (*Address, error) {
	out := &Address{}
	ip := a.Addr().Unmap()
	if ip.Is4() {
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(&out.raw))
		raw.Family = unix.AF_INET
		raw.Addr = ip.As4()
		putPort(&raw.Port, a.Port())
		out.length = unix.SizeofSockaddrInet4
		return out, nil
	}
	if !ip.Is6() {
		return nil, fmt.Errorf("%v is not an IP address", a)
	}
	out.raw.Family = unix.AF_INET6
	out.raw.Addr = ip.As16()
	putPort(&out.raw.Port, a.Port())
	out.length = unix.SizeofSockaddrInet6
	if zone := ip.Zone(); zone != "" {
		index, err := zoneIndex(zone)
		if err != nil {
			return nil, fmt.Errorf("zone of address %v: %w", ip, err)
		}
		out.raw.Scope_id = index
	}
	return out, nil
}

func zoneIndex(zone string) (uint32, error) {
	if number, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(number), nil
	}
	device, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, err
	}
	return uint32(device.Index), nil
}

func (a *Address) family() int { return int(a.raw.Family) }

// netip is the address in the standard library's form, without a zone.
func (a *Address) netip() netip.AddrPort {
	switch a.raw.Family {
	case unix.AF_INET:
		raw := (*unix.RawSockaddrInet4)(unsafe.Pointer(&a.raw))
		return netip.AddrPortFrom(netip.AddrFrom4(raw.Addr), port(&raw.Port))
	case unix.AF_INET6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.raw.Addr), port(&a.raw.Port))
	default:
		return netip.AddrPort{}
	}
}

// Ports lie in the structures in network order, whatever the machine's is.
func putPort(field *uint16, value uint16) {
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(field))[:], value)
}

func port(field *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(field))[:])
}
