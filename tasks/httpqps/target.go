package httpqps

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// target is where the requests go, as the host text names it.
type target struct {
	secure   bool
	name     string // host name or address, IPv6 without brackets
	port     uint16
	prefix   string // path that comes before the option's, without "/" at its end
	user     string // for Basic authorization
	password string
	signedIn bool // there was a user part, if an empty one
}

const (
	plainPort  = 80
	securePort = 443
)

var errNoTarget = errors.New("no target: set the test's host (the form's field or --host) or --http-host, for example http://10.0.0.2:8080")

// parseTarget reads "host", "host:port" and URLs of the schemes http, https
// and, because a test may have one host for several classes, tcp, which means
// http here. A user part becomes Basic authorization, as in Locust. Errors do
// not repeat the password.
func parseTarget(text string) (target, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return target{}, errNoTarget
	}
	if !strings.Contains(text, "://") {
		text = "http://" + text
	}
	parsed, err := url.Parse(text)
	if err != nil {
		// The error's own text repeats the URL; its cause only a part.
		if fault, ok := errors.AsType[*url.Error](err); ok && !strings.Contains(text, "@") {
			err = fault.Err
		} else {
			err = errors.New("not a URL")
		}
		return target{}, fmt.Errorf("the target's host can't be read: %w; want one such as http://10.0.0.2:8080", err)
	}
	if parsed.RawQuery != "" || parsed.Fragment != "" {
		return target{}, fmt.Errorf("host %s: a query or fragment belongs into --http-path", parsed.Redacted())
	}
	t := target{name: parsed.Hostname(), prefix: strings.TrimRight(parsed.EscapedPath(), "/")}
	switch parsed.Scheme {
	case "http", "tcp":
		t.port = plainPort
	case "https":
		t.secure, t.port = true, securePort
	default:
		return target{}, fmt.Errorf("host %s: want the scheme http or https", parsed.Redacted())
	}
	if t.name == "" {
		return target{}, fmt.Errorf("host %s: the name of the host is missing", parsed.Redacted())
	}
	if err := checkName(t.name); err != nil {
		return target{}, fmt.Errorf("host %s: %w", parsed.Redacted(), err)
	}
	if text := parsed.Port(); text != "" {
		port, err := strconv.ParseUint(text, 10, 16)
		if err != nil || port == 0 {
			return target{}, fmt.Errorf("host %s: want a port from 1 to 65535", parsed.Redacted())
		}
		t.port = uint16(port)
	}
	if parsed.User != nil {
		t.signedIn = true
		t.user = parsed.User.Username()
		t.password, _ = parsed.User.Password()
	}
	return t, nil
}

// checkName keeps bytes out of the Host field that would end it.
func checkName(name string) error {
	for i := range len(name) {
		if name[i] <= ' ' || name[i] >= 0x7f {
			return errors.New("the name has bytes that no host name has; write international names in their xn-- form")
		}
	}
	return nil
}

// authority is the target as the Host field names it: the port only when it
// isn't the scheme's own (RFC 9110 section 7.2), and never an IPv6 zone, which
// means nothing to the server (RFC 6874 section 4).
func (t target) authority() string {
	name, _, _ := strings.Cut(t.name, "%")
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if (t.secure && t.port == securePort) || (!t.secure && t.port == plainPort) {
		return name
	}
	return name + ":" + strconv.Itoa(int(t.port))
}

// resolve looks the name up. IPv6 addresses are left out when there are IPv4
// ones: users take the addresses in turn, and a name such as localhost has
// both where most servers listen on one. An IPv6 literal is used as it is.
func (t target) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	if literal, err := netip.ParseAddr(t.name); err == nil { // a lookup would lose its zone
		return []netip.AddrPort{netip.AddrPortFrom(literal.Unmap(), t.port)}, nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", t.name)
	if err != nil {
		return nil, fmt.Errorf("the target's name %q has no address: %w; correct the host or the worker's name service", t.name, err)
	}
	var four, six []netip.AddrPort
	for _, address := range found {
		if address = address.Unmap(); address.Is4() {
			four = append(four, netip.AddrPortFrom(address, t.port))
		} else {
			six = append(six, netip.AddrPortFrom(address, t.port))
		}
	}
	if len(four) > 0 {
		return four, nil
	}
	if len(six) > 0 {
		return six, nil
	}
	return nil, fmt.Errorf("the target's name %q has no address: correct the host or the worker's name service", t.name)
}

// newSecurity is the TLS configuration that all users share. Sessions are not
// resumed: each connection pays for a full handshake, as that of a new client.
func newSecurity(name, caFile string, insecure bool) (*tls.Config, error) {
	name, _, _ = strings.Cut(name, "%")
	config := &tls.Config{
		MinVersion:         tls.VersionTLS12,
		ServerName:         name,
		InsecureSkipVerify: insecure, //nolint:gosec // asked for by --http-insecure
		NextProtos:         []string{"http/1.1"},
	}
	if caFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(caFile)
	if err != nil {
		return nil, fmt.Errorf("--http-ca-file: %w; the file must be on the host of this worker", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--http-ca-file=%s: no certificate in it; want PEM text with BEGIN CERTIFICATE lines", caFile)
	}
	return config, nil
}
