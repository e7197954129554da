package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"upsurge/targets"
	"upsurge/targets/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T, address string, source admin.Source) *admin.Server {
	t.Helper()
	server, err := admin.New(address, source, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return server
}

func fixed(context.Context) (targets.Stats, error) {
	return targets.Stats{Counters: targets.Counters{Accepted: 3, Open: 2, Closed: 1, MessagesSent: 9, Requests: 8}, Processes: 1, PID: 77}, nil
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestStats(t *testing.T) {
	server := start(t, ":0", fixed)
	status, body := fetch(t, "http://"+server.Addr().String()+"/stats")
	var got map[string]float64
	if err := json.Unmarshal([]byte(body), &got); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v: %s", status, err, body)
	}
	want := map[string]float64{
		"accepted": 3, "open": 2, "closed": 1, "messages_sent": 9, "messages_received": 0, "requests": 8,
		"bytes_sent": 0, "bytes_received": 0, "slow_skipped": 0, "accept_errors": 0, "errors": 0,
		"processes": 1, "uptime_seconds": 0, "pid": 77,
	}
	if len(got) != len(want) {
		t.Errorf("fields %v, want %v", got, want)
	}
	for key, value := range want {
		if have, ok := got[key]; !ok || have != value {
			t.Errorf("%s: %v, want %v", key, have, value)
		}
	}
}

func TestHealth(t *testing.T) {
	server := start(t, "0", fixed)
	if status, body := fetch(t, "http://"+server.Addr().String()+"/healthz"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("%d %q", status, body)
	}
}

func TestLoopbackUnlessAskedOtherwise(t *testing.T) {
	for _, address := range []string{"0", ":0"} {
		server, err := admin.New(address, fixed, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if ip := server.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
			t.Errorf("%q listens on %v", address, ip)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := admin.New("a:b:c", fixed, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("a bad address was accepted")
	}
}

func TestFetchOverUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	start(t, "unix:"+path, fixed)
	want, _ := fixed(t.Context())
	if got, err := admin.Fetch(t.Context(), path); err != nil || got != want {
		t.Errorf("Fetch: %+v, %v; want %+v", got, err, want)
	}
}

func TestFetchReportsWhatFailed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	if _, err := admin.Fetch(t.Context(), path); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("no server: %v", err)
	}
	start(t, "unix:"+path, func(context.Context) (targets.Stats, error) {
		return targets.Stats{}, errors.New("not now")
	})
	if _, err := admin.Fetch(t.Context(), path); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("failing source: %v", err)
	}
}
