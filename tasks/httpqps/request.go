package httpqps

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/valyala/fasthttp"
)

// payloadPattern fills generated bodies: printable, so that a capture can be
// read, and without line ends.
const payloadPattern = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// requestMethod is the method as it is sent: "get" is meant as GET.
func requestMethod(text string) string { return strings.ToUpper(strings.TrimSpace(text)) }

// composeRequest makes the bytes of the one request that every user sends.
func composeRequest(t target, o *options) ([]byte, error) {
	var request fasthttp.Request
	method := requestMethod(o.method)
	fields, err := parseHeaders(o.headers)
	faults := []error{checkMethod(method), checkPath(o.path), err}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	header := &request.Header
	header.SetMethod(method)
	header.SetRequestURI(t.prefix + o.path)
	header.SetHost(t.authority())
	header.SetUserAgent(userAgent)
	header.SetNoDefaultContentType(true)
	if t.signedIn {
		header.Set(fasthttp.HeaderAuthorization, "Basic "+base64.StdEncoding.EncodeToString([]byte(t.user+":"+t.password)))
	}
	switch {
	case o.body != "":
		request.SetBodyRaw([]byte(o.body))
	case o.payloadSize > 0:
		request.SetBodyRaw(payload(o.payloadSize))
		header.SetContentType("application/octet-stream")
	}
	for _, f := range fields {
		if strings.EqualFold(f.name, fasthttp.HeaderAuthorization) {
			header.Del(fasthttp.HeaderAuthorization) // what is said outright wins
		}
	}
	for _, f := range fields {
		header.Add(f.name, f.value)
	}
	if !o.keepAlive {
		header.SetConnectionClose()
	}
	var wire bytes.Buffer
	if _, err := request.WriteTo(&wire); err != nil {
		return nil, fmt.Errorf("the request can't be composed of these options: %w", err)
	}
	return wire.Bytes(), nil
}

func payload(size int) []byte {
	repeats := size/len(payloadPattern) + 1
	return bytes.Repeat([]byte(payloadPattern), repeats)[:size]
}

func checkMethod(method string) error {
	if !isToken(method) {
		return fmt.Errorf("--http-method=%q: want a method such as GET or POST", method)
	}
	if method == fasthttp.MethodConnect {
		return errors.New("--http-method=CONNECT: tunnels are not supported; want a method such as GET or POST")
	}
	return nil
}

func checkPath(path string) error {
	if !strings.HasPrefix(path, "/") {
		return fmt.Errorf("--http-path=%q: want a path that starts with /; the host belongs into --http-host", path)
	}
	for i := range len(path) {
		if c := path[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return fmt.Errorf("--http-path=%q: the byte %q can't be sent in a path; write it as %%%02X", path, c, c)
		}
	}
	return nil
}

// field is one line of the header.
type field struct{ name, value string }

// parseHeaders reads "Name: value" lines; empty lines are skipped. A \n that is
// written out ends a line too, because the fields of a master's form take no
// other. All faults are returned together.
func parseHeaders(text string) ([]field, error) {
	var fields []field
	var faults []error
	for line := range strings.Lines(strings.ReplaceAll(text, `\n`, "\n")) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, found := strings.Cut(line, ":")
		f := field{strings.TrimSpace(name), strings.TrimSpace(value)}
		switch {
		case !found || !isToken(f.name):
			// Not the whole line: it may hold a secret in the wrong place.
			faults = append(faults, fmt.Errorf(`--http-header: a line starts with %.20q; want "Name: value"`, line))
		case strings.ContainsFunc(f.value, isControl):
			faults = append(faults, fmt.Errorf("--http-header: the value of %s has a control character", f.name))
		case isOwnField(f.name):
			faults = append(faults, fmt.Errorf("--http-header: %s follows from the other options (--http-body, --http-payload-size, --http-keep-alive); leave it out", f.name))
		default:
			fields = append(fields, f)
		}
	}
	return fields, errors.Join(faults...)
}

// isOwnField says whether the field's value follows from how the request is
// sent: another value would make the server wait for bytes that don't come.
func isOwnField(name string) bool {
	for _, own := range [...]string{
		fasthttp.HeaderContentLength, fasthttp.HeaderTransferEncoding,
		fasthttp.HeaderConnection, fasthttp.HeaderTrailer,
	} {
		if strings.EqualFold(name, own) {
			return true
		}
	}
	return false
}

func isControl(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f }

// isToken: RFC 9110 section 5.6.2.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return text != ""
}
