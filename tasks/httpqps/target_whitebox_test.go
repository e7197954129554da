package httpqps

import (
	"context"
	"net/netip"
	"strings"
	"testing"
)

func TestParseTarget(t *testing.T) {
	cases := []struct {
		text      string
		want      target
		authority string
	}{
		{text: "example.org", want: target{name: "example.org", port: 80}, authority: "example.org"},
		{text: " example.org:8080 ", want: target{name: "example.org", port: 8080}, authority: "example.org:8080"},
		{text: "tcp://10.0.0.2:9001", want: target{name: "10.0.0.2", port: 9001}, authority: "10.0.0.2:9001"},
		{text: "HTTP://example.org:80/", want: target{name: "example.org", port: 80}, authority: "example.org"},
		{text: "http://example.org:443", want: target{name: "example.org", port: 443}, authority: "example.org:443"},
		{text: "https://example.org", want: target{secure: true, name: "example.org", port: 443}, authority: "example.org"},
		{text: "https://example.org:443/a%20b//", want: target{secure: true, name: "example.org", port: 443, prefix: "/a%20b"}, authority: "example.org"},
		{text: "[::1]:8080", want: target{name: "::1", port: 8080}, authority: "[::1]:8080"},
		{text: "https://[::1]", want: target{secure: true, name: "::1", port: 443}, authority: "[::1]"},
		{text: "http://[fe80::1%25eth0]:81", want: target{name: "fe80::1%eth0", port: 81}, authority: "[fe80::1]:81"},
		{text: "http://a:b%3Ac@x", want: target{name: "x", port: 80, user: "a", password: "b:c", signedIn: true}, authority: "x"},
	}
	for _, c := range cases {
		got, err := parseTarget(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got != c.want || got.authority() != c.authority {
			t.Errorf("%s: %+v with the authority %s, want %+v with %s", c.text, got, got.authority(), c.want, c.authority)
		}
	}
}

func FuzzParseTarget(f *testing.F) {
	for _, seed := range []string{"", "x", "[::1]:80", "https://a:b@c:1/d", "http://[fe80::1%25a]", "http://a b", "://", "http://\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseTarget(text)
		if err != nil {
			return
		}
		if got.port == 0 || got.name == "" || strings.HasSuffix(got.prefix, "/") {
			t.Errorf("%q: %+v", text, got)
		}
		if strings.ContainsAny(got.authority(), "\r\n \x00") {
			t.Errorf("%q: the authority %q would end its header field", text, got.authority())
		}
	})
}

func TestResolve(t *testing.T) {
	cases := []struct {
		name string
		want string
	}{
		{name: "127.0.0.1", want: "127.0.0.1:7"},
		{name: "::1", want: "[::1]:7"},
		{name: "::ffff:127.0.0.1", want: "127.0.0.1:7"},
		{name: "fe80::1%lo", want: "[fe80::1%lo]:7"},
	}
	for _, c := range cases {
		got, err := target{name: c.name, port: 7}.resolve(context.Background())
		if err != nil || len(got) != 1 || got[0].String() != c.want {
			t.Errorf("%s: %v, %v; want %s", c.name, got, err, c.want)
		}
	}
}

func TestAddressesAreTakenInTurn(t *testing.T) {
	d := &definition{addresses: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.2:1")}}
	counts := map[netip.AddrPort]int{}
	for range 10 {
		counts[d.nextAddress()]++
	}
	for _, address := range d.addresses {
		if counts[address] != 5 {
			t.Errorf("%v was taken %d times of 10", address, counts[address])
		}
	}
}
