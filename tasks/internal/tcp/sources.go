package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"upsurge/worker/user"
)

// maxAddresses bounds what a range or a network may stand for: what is larger
// is a slip of the pen, and would take the memory of a list.
const maxAddresses = 65536

// sources reads --tcp-source-ips: addresses, ranges (10.0.0.10-10.0.0.20 or
// 10.0.0.10-20) and networks (10.0.1.0/28, whose hosts are meant), separated by
// commas. No address may come twice: it would get twice its ports.
func sources(text string) ([]netip.Addr, error) {
	var list []netip.Addr
	for field := range strings.SplitSeq(text, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		some, err := expandAddresses(field)
		if err != nil {
			return nil, fmt.Errorf("option --tcp-source-ips: %w", err)
		}
		if list = append(list, some...); len(list) > maxAddresses {
			return nil, fmt.Errorf("option --tcp-source-ips: more than %d addresses", maxAddresses)
		}
	}
	seen := make(map[netip.Addr]bool, len(list))
	for _, address := range list {
		if seen[address] {
			return nil, fmt.Errorf("option --tcp-source-ips: %v is there twice", address)
		}
		seen[address] = true
	}
	return list, nil
}

// expandAddresses lists what one address, range or network stands for.
func expandAddresses(text string) ([]netip.Addr, error) {
	if strings.Contains(text, "/") {
		return expandNetwork(text)
	}
	if first, last, isRange := strings.Cut(text, "-"); isRange {
		return expandRange(text, first, last)
	}
	address, err := netip.ParseAddr(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not an IP address, a range such as 10.0.0.10-20 or a network such as 10.0.1.0/28", text)
	}
	return []netip.Addr{address.Unmap()}, nil
}

func expandNetwork(text string) ([]netip.Addr, error) {
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a network such as 10.0.1.0/28: %w", text, err)
	}
	bits := network.Addr().BitLen() - network.Bits()
	if bits > 16 {
		return nil, fmt.Errorf("network %s has more than %d addresses: name the part that is to be used", text, maxAddresses)
	}
	var list []netip.Addr
	for address := network.Masked().Addr(); network.Contains(address); address = address.Next() {
		list = append(list, address)
	}
	// The first names the network and, with IPv4, the last means all of its
	// hosts; a network of one or two has neither.
	if bits > 1 {
		list = list[1:]
		if network.Addr().Is4() {
			list = list[:len(list)-1]
		}
	}
	return list, nil
}

// expandRange takes the last address as a whole or as what differs, the last
// part of an IPv4 address.
func expandRange(text, firstText, lastText string) ([]netip.Addr, error) {
	first, err := netip.ParseAddr(strings.TrimSpace(firstText))
	if err != nil {
		return nil, fmt.Errorf("range %q does not begin with an IP address", text)
	}
	first, lastText = first.Unmap(), strings.TrimSpace(lastText)
	if first.Is4() && !strings.Contains(lastText, ".") {
		whole := first.String()
		lastText = whole[:strings.LastIndexByte(whole, '.')+1] + lastText
	}
	last, err := netip.ParseAddr(lastText)
	if err != nil {
		return nil, fmt.Errorf("range %q does not end with an IP address or the last part of one", text)
	}
	last = last.Unmap()
	if first.BitLen() != last.BitLen() || first.Zone() != last.Zone() || last.Less(first) {
		return nil, fmt.Errorf("range %q does not rise from its first address to its last", text)
	}
	var list []netip.Addr
	for address := first; ; address = address.Next() {
		if list = append(list, address); len(list) > maxAddresses {
			return nil, fmt.Errorf("range %q has more than %d addresses", text, maxAddresses)
		}
		if address == last {
			return list, nil
		}
	}
}

// errTooFew says that the addresses cannot be divided without overlap.
var errTooFew = errors.New("fewer source addresses than worker processes")

// divide is a process's own part of the addresses; the parts of all processes
// are the whole, without overlap, and differ by one address at most.
func divide(list []netip.Addr, share user.Share) ([]netip.Addr, error) {
	if len(list) == 0 || share.Count <= 1 {
		return list, nil
	}
	if len(list) < share.Count {
		return nil, fmt.Errorf("option --tcp-source-ips: %w: %d addresses, %d processes: give one for each at least, or start fewer processes",
			errTooFew, len(list), share.Count)
	}
	from, to := len(list)*share.Index/share.Count, len(list)*(share.Index+1)/share.Count
	return slices.Clone(list[from:to]), nil
}
