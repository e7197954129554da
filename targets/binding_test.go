package targets_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"upsurge/targets"
)

func TestNormalized(t *testing.T) {
	cases := []struct {
		name   string
		listen []string
		want   []string
		fault  string
	}{
		{name: "default", want: []string{":8080"}},
		{name: "single", listen: []string{"127.0.0.1:0"}, want: []string{"127.0.0.1:0"}},
		{name: "range", listen: []string{":80-82", "[::1]:9"}, want: []string{":80", ":81", ":82", "[::1]:9"}},
		{name: "range in brackets", listen: []string{"[::1]:7-8"}, want: []string{"[::1]:7", "[::1]:8"}},
		{name: "no port", listen: []string{"host"}, fault: "missing port"},
		{name: "port too large", listen: []string{":65536"}, fault: `port "65536"`},
		{name: "port not a number", listen: []string{":http"}, fault: `port "http"`},
		{name: "falling range", listen: []string{":82-80"}, fault: "must rise"},
		{name: "range from 0", listen: []string{":0-80"}, fault: "must rise"},
		{name: "endless range", listen: []string{":1-65535"}, fault: "at most 4096"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := targets.Binding{Listen: tc.listen}.Normalized()
			switch {
			case tc.fault != "":
				if err == nil || !strings.Contains(err.Error(), tc.fault) {
					t.Errorf("error %v, want %q", err, tc.fault)
				}
			case err != nil:
				t.Error(err)
			case fmt.Sprint(got.Listen) != fmt.Sprint(tc.want):
				t.Errorf("addresses %q, want %q", got.Listen, tc.want)
			case got.Loops < 1 || got.Backlog != targets.DefaultBacklog || got.Log == nil:
				t.Errorf("defaults missing: %+v", got)
			}
		})
	}
}

func TestEveryFaultIsReported(t *testing.T) {
	_, err := targets.Binding{Listen: []string{"x"}, Backlog: -1, Loops: -1}.Normalized()
	for _, word := range []string{`"x"`, "backlog", "loops"} {
		if err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("error %v doesn't mention %s", err, word)
		}
	}
}

// Adding up must leave no counter out, whatever is added to the struct later.
func TestAddAddsEveryCounter(t *testing.T) {
	var total, one targets.Counters
	fields := reflect.ValueOf(&one).Elem()
	for i := range fields.NumField() {
		fields.Field(i).SetInt(int64(i + 1))
	}
	total.Add(one)
	total.Add(one)
	sums := reflect.ValueOf(total)
	for i := range sums.NumField() {
		if got := sums.Field(i).Int(); got != int64(2*(i+1)) {
			t.Errorf("%s: %d, want %d", sums.Type().Field(i).Name, got, 2*(i+1))
		}
	}
}
