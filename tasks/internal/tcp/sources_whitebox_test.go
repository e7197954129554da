package tcp

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"upsurge/worker/user"
)

func TestSources(t *testing.T) {
	cases := []struct {
		name, text string
		want       string // joined by spaces
		count      int    // instead of want, for the long ones
		fault      string
	}{
		{name: "none", text: ""},
		{name: "only commas", text: " , ,"},
		{name: "one", text: "10.0.0.1", want: "10.0.0.1"},
		{name: "list", text: " 10.0.0.1 ,10.0.0.3,", want: "10.0.0.1 10.0.0.3"},
		{name: "range of last parts", text: "10.0.0.9-11", want: "10.0.0.9 10.0.0.10 10.0.0.11"},
		{name: "range of addresses", text: "10.0.0.255 - 10.0.1.1", want: "10.0.0.255 10.0.1.0 10.0.1.1"},
		{name: "range of one", text: "10.0.0.9-9", want: "10.0.0.9"},
		{name: "range to the last of all", text: "255.255.255.254-255.255.255.255", want: "255.255.255.254 255.255.255.255"},
		{name: "range of IPv6", text: "fd00::9-fd00::a", want: "fd00::9 fd00::a"},
		{name: "network", text: "10.0.1.0/30", want: "10.0.1.1 10.0.1.2"},
		{name: "network by one of its hosts", text: "10.0.1.2/30", want: "10.0.1.1 10.0.1.2"},
		{name: "network of two", text: "10.0.1.0/31", want: "10.0.1.0 10.0.1.1"},
		{name: "network of one", text: "10.0.1.7/32", want: "10.0.1.7"},
		{name: "network of IPv6", text: "fd00::/126", want: "fd00::1 fd00::2 fd00::3"},
		{name: "fourteen hosts", text: "10.0.1.0/28", count: 14},
		{name: "the largest network", text: "10.1.0.0/16", count: 65534},
		{name: "last network of all", text: "255.255.255.252/30", want: "255.255.255.253 255.255.255.254"},
		{name: "all forms", text: "10.0.0.1,10.0.0.3-4,10.0.1.0/30", want: "10.0.0.1 10.0.0.3 10.0.0.4 10.0.1.1 10.0.1.2"},
		{name: "name", text: "eth0", fault: `"eth0" is not an IP address`},
		{name: "port", text: "10.0.0.1:80", fault: "is not an IP address"},
		{name: "twice", text: "10.0.0.1,10.0.0.1", fault: "10.0.0.1 is there twice"},
		{name: "twice in a range", text: "10.0.0.1-3,10.0.0.2", fault: "10.0.0.2 is there twice"},
		{name: "twice in another form", text: "10.0.0.1,::ffff:10.0.0.1", fault: "10.0.0.1 is there twice"},
		{name: "falling range", text: "10.0.0.9-8", fault: "does not rise"},
		{name: "mixed range", text: "10.0.0.9-fd00::1", fault: "does not"},
		{name: "range without an end", text: "10.0.0.9-", fault: "does not end with an IP address"},
		{name: "range beyond the part", text: "10.0.0.9-256", fault: "does not end with an IP address"},
		{name: "range without a beginning", text: "-9", fault: "does not begin with an IP address"},
		{name: "large range", text: "10.0.0.0-10.255.255.255", fault: "more than 65536 addresses"},
		{name: "large network", text: "10.0.0.0/15", fault: "more than 65536 addresses"},
		{name: "large network of IPv6", text: "fd00::/64", fault: "more than 65536 addresses"},
		{name: "large list", text: "10.1.0.0/16,10.2.0.0/16", fault: "more than 65536 addresses"},
		{name: "prefix too long", text: "10.0.0.0/33", fault: "is not a network"},
		{name: "no prefix", text: "10.0.0.0/", fault: "is not a network"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := sources(c.text)
			if c.fault != "" {
				if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "--tcp-source-ips") {
					t.Errorf("error %v, want one with the option and %q", err, c.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.count > 0 {
				if len(got) != c.count {
					t.Errorf("%d addresses, want %d", len(got), c.count)
				}
				return
			}
			if text := strings.Trim(fmt.Sprint(got), "[]"); text != c.want {
				t.Errorf("got %s, want %s", text, c.want)
			}
		})
	}
}

// The parts of all processes are the whole, and no address is in two of them.
func TestDivide(t *testing.T) {
	for _, total := range []int{1, 2, 7, 53, 254} {
		var list []netip.Addr
		for i := range total {
			list = append(list, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
		for _, count := range []int{0, 1, 2, 3, 7, 53} {
			var all []netip.Addr
			least, most := total, 0
			for index := range max(count, 1) {
				part, err := divide(list, user.Share{Index: index, Count: count})
				if count > total {
					if !errors.Is(err, errTooFew) {
						t.Errorf("%d addresses for %d processes: %v, want an error", total, count, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				least, most = min(least, len(part)), max(most, len(part))
				all = append(all, part...)
			}
			if count <= total && (!slices.Equal(all, list) || most-least > 1) {
				t.Errorf("%d addresses for %d processes: parts of %d to %d make %v", total, count, least, most, all)
			}
		}
	}
	if part, err := divide(nil, user.Share{Index: 1, Count: 3}); err != nil || part != nil {
		t.Errorf("no addresses: %v, %v, want none", part, err)
	}
}

func FuzzSources(f *testing.F) {
	for _, seed := range []string{"10.0.0.1", "10.0.0.1-3,10.0.0.9", "10.0.1.0/28", "fd00::1-fd00::9", "fd00::/120", "0.0.0.0/16", "-", "/", "1.1.1.1-%", "fe80::1%eth0-fe80::3%eth0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := sources(text)
		if err != nil {
			return
		}
		if len(list) > maxAddresses {
			t.Errorf("%d addresses", len(list))
		}
		for _, address := range list {
			if !address.IsValid() {
				t.Errorf("%v is in the list", address)
			}
		}
	})
}
