package httpqps_test

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"upsurge/tasks/internal/stage"
)

// certified is a server's configuration and the file with its certificate.
func certified(t *testing.T) (*tls.Config, string) {
	t.Helper()
	server := httptest.NewTLSServer(nil)
	defer server.Close()
	return server.TLS.Clone(), certificateFile(t, server)
}

func certificateFile(t *testing.T, server *httptest.Server) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSecureTarget(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Proto)
	}))
	server.EnableHTTP2 = true // offered, and not what is spoken here
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	cases := []struct {
		name    string
		set     stage.Options
		failure string // a prefix
	}{
		{name: "trusted", set: stage.Options{"http-ca-file": certificateFile(t, server)}},
		{name: "not verified", set: stage.Options{"http-insecure": "true"}},
		{name: "not trusted", failure: "TLS handshake: tls: failed to verify certificate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := visitor(t, "fasthttp", server.URL, c.set)
			iterate(t, r, 2)
			for _, s := range r.Samples("") {
				if !strings.HasPrefix(s.Failure, c.failure) || (c.failure == "" && (s.Failure != "" || s.Bytes != int64(len("HTTP/1.1")))) {
					t.Errorf("sample %+v, want the failure %q", s, c.failure)
				}
			}
			if got := len(r.Samples("")); got != 2 {
				t.Errorf("%d samples, want 2", got)
			}
		})
	}
}

func TestSecureClientAtAPlainServer(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	defer server.Close()
	r := visitor(t, "fasthttp", strings.Replace(server.URL, "http:", "https:", 1), nil)
	if got := failuresOf(r.Books); len(got) != 1 || !strings.HasPrefix(got[0], "TLS handshake: tls: first record does not look like") {
		t.Errorf("failures %q", got)
	}
}

// The end of TLS is said, and the server sees no truncation.
func TestSecureConnectionEndsInGoodOrder(t *testing.T) {
	config, caFile := certified(t)
	ended := make(chan error, 1)
	host := listen(t, func(p *peer) {
		conn := tls.Server(p.Conn, config)
		q := p.over(conn)
		q.request()
		q.send(okAnswer)
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	})
	r := visitor(t, "fasthttp", "https://"+host, stage.Options{"http-ca-file": caFile, "http-keep-alive": "false"})
	iterate(t, r, 1)
	if err := <-ended; !errors.Is(err, io.EOF) {
		t.Errorf("the server's read gave %v, want io.EOF", err)
	}
	wantFailures(t, r.Books, "")
}

// With TLS 1.3 the server's refusal comes after the handshake.
func TestRefusalAfterTheHandshakeIsNamed(t *testing.T) {
	config, caFile := certified(t)
	config.ClientAuth = tls.RequireAnyClientCert
	host := listen(t, func(p *peer) {
		_ = tls.Server(p.Conn, config).Handshake()
		p.untilClosed()
	})
	r := visitor(t, "fasthttp", "https://"+host, stage.Options{"http-ca-file": caFile})
	iterate(t, r, 1)
	wantFailures(t, r.Books, "remote error: tls: certificate required")
}
