package tcp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// ErrHost says that a host is unusable.
var ErrHost = errors.New("unusable host")

// maxTargets bounds what the ranges of a host may stand for.
const maxTargets = 16384

// hosts takes a target: host:port, or several, separated by commas. Both the
// last part of an IPv4 address and the port may be a range, which stands for
// all in it: 10.0.0.1-4:9000-9003 are 16 targets.
func hosts(text string) ([]string, error) {
	var list []string
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		if field == "" && strings.TrimSpace(text) != "" {
			continue
		}
		some, err := expandHost(field)
		if err != nil {
			return nil, err
		}
		if list = append(list, some...); len(list) > maxTargets {
			return nil, fmt.Errorf("%w %q: more than %d targets", ErrHost, text, maxTargets)
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("%w %q: no target between the commas", ErrHost, text)
	}
	return list, nil
}

func expandHost(text string) ([]string, error) {
	name, port, err := splitHost(text)
	if err != nil {
		return nil, err
	}
	names, err := expandName(name)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrHost, text, err)
	}
	ports, err := expandPort(port)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrHost, text, err)
	}
	if len(names)*len(ports) > maxTargets {
		return nil, fmt.Errorf("%w %q: %d addresses with %d ports each are more than %d targets", ErrHost, text, len(names), len(ports), maxTargets)
	}
	list := make([]string, 0, len(names)*len(ports))
	for _, port := range ports {
		for _, name := range names {
			list = append(list, net.JoinHostPort(name, port))
		}
	}
	return list, nil
}

// splitHost takes host:port, alone or behind a scheme as in Locust's host
// field; a path is ignored.
func splitHost(text string) (name, port string, err error) {
	host := text
	if host == "" {
		return "", "", fmt.Errorf("%w: none is set; give it as host:port in the form's host field or with --host", ErrHost)
	}
	ordinary := ""
	if scheme, rest, found := strings.Cut(host, "://"); found {
		// Not url.Parse alone: it refuses a range of ports.
		authority, _, _ := strings.Cut(rest, "/")
		authority, _, _ = strings.Cut(authority, "?")
		if at := strings.LastIndexByte(authority, '@'); at >= 0 {
			authority = authority[at+1:]
		}
		if _, err := url.Parse(scheme + "://" + withoutRange(authority)); err != nil {
			return "", "", fmt.Errorf("%w %q: %w", ErrHost, text, err)
		}
		host = authority
		ordinary = map[string]string{"http": "80", "https": "443"}[strings.ToLower(scheme)]
	}
	name, port, err = net.SplitHostPort(host)
	if err != nil && ordinary != "" {
		name, port = strings.Trim(host, "[]"), ordinary
	} else if err != nil {
		return "", "", fmt.Errorf("%w %q: want host:port, such as 10.0.0.2:9001: %w", ErrHost, text, err)
	}
	if name == "" {
		return "", "", fmt.Errorf("%w %q: no name or address before the port", ErrHost, text)
	}
	return name, port, nil
}

// withoutRange cuts a range of ports down to its first.
func withoutRange(authority string) string {
	colon := strings.LastIndexByte(authority, ':')
	if dash := strings.LastIndexByte(authority, '-'); colon >= 0 && dash > colon {
		return authority[:dash]
	}
	return authority
}

// expandName lists the addresses of a range; a name, whatever its dashes, is
// one host.
func expandName(name string) ([]string, error) {
	first, _, isRange := strings.Cut(name, "-")
	if !isRange || !isAddress(first) {
		return []string{name}, nil
	}
	addresses, err := expandAddresses(name)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(addresses))
	for i, address := range addresses {
		list[i] = address.String()
	}
	return list, nil
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// expandPort lists the ports of a range; a service's name is one port.
func expandPort(port string) ([]string, error) {
	firstText, lastText, isRange := strings.Cut(port, "-")
	first, firstErr := strconv.ParseUint(firstText, 10, 16)
	if !isRange || errors.Is(firstErr, strconv.ErrSyntax) {
		return []string{port}, nil
	}
	last, err := strconv.ParseUint(lastText, 10, 16)
	if err != nil || firstErr != nil || first == 0 || last < first {
		return nil, fmt.Errorf("ports %q: want a rising range such as 9000-9007", port)
	}
	list := make([]string, 0, last-first+1)
	for number := first; number <= last; number++ {
		list = append(list, strconv.FormatUint(number, 10))
	}
	return list, nil
}
