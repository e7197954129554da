package httpd_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"upsurge/targets"
	"upsurge/targets/httpd"
	"upsurge/targets/internal/targettest"
)

func startTLS(t *testing.T) (*httpd.Server, *http.Client, func() targets.Stats) {
	t.Helper()
	certificate, key, err := httpd.SelfSigned("target.example", "192.0.2.7")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	server, err := httpd.New(httpd.Config{
		Binding:     targets.Binding{Listen: []string{"127.0.0.1:0"}},
		Certificate: &pair,
	})
	if err != nil {
		t.Fatal(err)
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(certificate)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}
	t.Cleanup(transport.CloseIdleConnections)
	return server, &http.Client{Transport: transport}, targettest.Start(t, server)
}

func TestTLS(t *testing.T) {
	cases := []struct {
		name   string
		target string
		body   io.Reader
		want   string
	}{
		{name: "plain", target: "/", want: "200 ok"},
		{name: "size", target: "/?size=6", want: "200 abcdef"},
		{name: "large", target: "/?size=3000000", want: "200 3000000 bytes"},
		{name: "status after delay", target: "/?status=503&delay=5ms", want: "503 ok"},
		{name: "close", target: "/close", want: "200 ok close"},
		{name: "body", target: "/", body: strings.NewReader("dropped"), want: "200 ok"},
		{name: "chunked body", target: "/", body: io.MultiReader(strings.NewReader("dropped")), want: "200 ok"},
		{name: "body too large", target: "/", body: io.LimitReader(zeros{}, httpd.MaxRequestBody+1), want: "413 request body too large\n close"},
		{name: "bad parameter", target: "/?delay=-1s", want: "400 delay=\"-1s\": must be a duration such as 50ms, at most 1h0m0s\n"},
	}
	server, client, stop := startTLS(t)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			response, err := client.Post("https://"+server.Addr().String()+tc.target, "text/plain", tc.body)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := fmt.Sprintf("%d %s", response.StatusCode, body)
			if len(body) > 1000 {
				got = fmt.Sprintf("%d %d bytes", response.StatusCode, len(body))
			}
			if response.Close {
				got += " close"
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
	final := stop()
	if final.Open != 0 || final.Accepted != final.Closed || final.Requests != int64(len(cases))-1 || final.MessagesSent != final.Requests {
		t.Errorf("final %+v", final.Counters)
	}
}

// zeros reads as nothing but zeros.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestTLSStopsDuringDelay(t *testing.T) {
	server, client, stop := startTLS(t)
	failed := make(chan error, 1)
	go func() {
		response, err := client.Get("https://" + server.Addr().String() + "/?delay=1h")
		if err == nil {
			_ = response.Body.Close()
		}
		failed <- err
	}()
	targettest.Await(t, server, "the request", func(s targets.Stats) bool { return s.Requests == 1 })
	if final := stop(); final.Open != 0 {
		t.Errorf("final %+v", final.Counters)
	}
	if err := <-failed; err == nil {
		t.Error("a response came before its time")
	}
}
