package host_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"upsurge/worker/internal/host"
)

// fakeProc is a procfs tree with one process.
type fakeProc struct {
	t    *testing.T
	root string
}

const fakePID = 4242

func newFakeProc(t *testing.T) fakeProc {
	t.Helper()
	f := fakeProc{t: t, root: t.TempDir()}
	if err := os.Mkdir(f.path(""), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(fmt.Sprint(fakePID), filepath.Join(f.root, "self")); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f fakeProc) path(name string) string {
	return filepath.Join(f.root, fmt.Sprint(fakePID), name)
}

func (f fakeProc) write(name, content string) {
	f.t.Helper()
	if err := os.WriteFile(f.path(name), []byte(content), 0o644); err != nil {
		f.t.Fatal(err)
	}
}

// set writes the counters: CPU time in the kernel's steps of 10 ms, memory in
// KiB.
func (f fakeProc) set(userTicks, systemTicks, residentKB, maximumKB int) {
	f.t.Helper()
	fields := make([]string, 50) // from the state, field 3, to field 52
	for i := range fields {
		fields[i] = "0"
	}
	fields[0] = "S"
	fields[11] = fmt.Sprint(userTicks)
	fields[12] = fmt.Sprint(systemTicks)
	fields[13], fields[14] = "77777", "77777" // children's, which don't count
	f.write("stat", fmt.Sprintf("%d (a (b) c) %s\n", fakePID, strings.Join(fields, " ")))
	f.write("status", fmt.Sprintf("Name:\tupsurge\nVmHWM:\t%d kB\nVmRSS:\t%d kB\n", maximumKB, residentKB))
}

func TestSample(t *testing.T) {
	type reading struct {
		at           time.Duration
		user, system int
		residentKB   int
		maximumKB    int
		wantPercent  float64
	}
	type step struct {
		name     string
		cores    int
		readings []reading
	}
	for _, s := range []step{
		{name: "one core, half of it", cores: 1, readings: []reading{
			{at: time.Second, user: 1000, system: 500},
			{at: 2 * time.Second, user: 1040, system: 510, wantPercent: 50},
		}},
		{name: "all of four cores is 100", cores: 4, readings: []reading{
			{at: time.Second},
			{at: 3 * time.Second, user: 700, system: 100, wantPercent: 100},
		}},
		{name: "one of four cores is 25", cores: 4, readings: []reading{
			{at: time.Second},
			{at: 2 * time.Second, user: 100, wantPercent: 25},
		}},
		{name: "never above 100", cores: 1, readings: []reading{
			{at: time.Second},
			{at: 2 * time.Second, user: 150, wantPercent: 100},
		}},
		{name: "each sample is about its own interval", cores: 1, readings: []reading{
			{at: time.Second},
			{at: 2 * time.Second, user: 80, wantPercent: 80},
			{at: 3 * time.Second, user: 80, wantPercent: 0},
			{at: 13 * time.Second, user: 180, wantPercent: 10},
		}},
		{name: "too soon repeats, and loses no CPU time", cores: 1, readings: []reading{
			{at: time.Second},
			{at: 2 * time.Second, user: 50, wantPercent: 50},
			{at: 2*time.Second + 10*time.Millisecond, user: 60, wantPercent: 50},
			{at: 2 * time.Second, user: 60, wantPercent: 50},
			{at: 3 * time.Second, user: 75, wantPercent: 25},
		}},
		{name: "a clock that starts at 0", cores: 1, readings: []reading{
			{at: 0, user: 500},
			{at: time.Second, user: 530, wantPercent: 30},
		}},
		{name: "memory", cores: 1, readings: []reading{
			{at: time.Second, residentKB: 1000, maximumKB: 2000},
			{at: 2 * time.Second, residentKB: 500, maximumKB: 3000},
		}},
	} {
		t.Run(s.name, func(t *testing.T) {
			proc := newFakeProc(t)
			sampler, err := host.New(proc.root, 0)
			if err != nil {
				t.Fatal(err)
			}
			sampler.SetCores(s.cores)
			for i, r := range s.readings {
				if r.residentKB == 0 {
					r.residentKB, r.maximumKB = 100, 200
				}
				proc.set(r.user, r.system, r.residentKB, r.maximumKB)
				got, err := sampler.Sample(r.at)
				if err != nil {
					t.Fatal(err)
				}
				want := host.Usage{
					CPUPercent: r.wantPercent, CPUSeconds: float64(r.user+r.system) / 100,
					MemoryBytes: int64(r.residentKB) << 10, MaxRSSBytes: int64(r.maximumKB) << 10,
				}
				if diff := got.CPUPercent - want.CPUPercent; diff < 1e-9 && diff > -1e-9 {
					got.CPUPercent = want.CPUPercent
				}
				if got != want {
					t.Errorf("reading %d: got %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

func TestSampleKeepsTheLastValuesWhenItFails(t *testing.T) {
	for _, damage := range []func(fakeProc){
		func(f fakeProc) { f.write("stat", "nonsense") },
		func(f fakeProc) { f.write("stat", "") },
		func(f fakeProc) { _ = os.Remove(f.path("stat")) },
		func(f fakeProc) { _ = os.Remove(f.path("status")) },
	} {
		proc := newFakeProc(t)
		sampler, err := host.New(proc.root, 0)
		if err != nil {
			t.Fatal(err)
		}
		sampler.SetCores(1)
		proc.set(0, 0, 100, 100)
		if _, err := sampler.Sample(0); err != nil {
			t.Fatal(err)
		}
		proc.set(40, 0, 100, 100)
		want, err := sampler.Sample(time.Second)
		if err != nil {
			t.Fatal(err)
		}
		damage(proc)
		got, err := sampler.Sample(2 * time.Second)
		if err == nil || got != want || got.CPUPercent != 40 {
			t.Errorf("got %+v, error %v; want %+v and an error", got, err, want)
		}
		proc.set(80, 0, 100, 100)
		if got, err = sampler.Sample(3 * time.Second); err != nil || got.CPUPercent != 20 {
			t.Errorf("after it works again: got %+v, error %v; want 20%% over the two seconds", got, err)
		}
	}
}

func TestNewWithoutProcfs(t *testing.T) {
	for _, root := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		if _, err := host.New(root, 0); err == nil || !strings.Contains(err.Error(), root) {
			t.Errorf("New(%q): error %v", root, err)
		}
	}
}

// A worker that has all its descriptors in sockets must still send truthful
// heartbeats.
func TestSampleWithoutFreeDescriptors(t *testing.T) {
	sampler, err := host.New("", 0)
	if err != nil {
		t.Fatal(err)
	}
	before, err := sampler.Sample(0)
	if err != nil {
		t.Fatal(err)
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 0, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, openErr := os.Open("/proc/self/stat")
	burnt := before
	for burnt.CPUSeconds < before.CPUSeconds+0.05 && err == nil {
		burnt, err = sampler.Sample(time.Millisecond)
	}
	after, sampleErr := sampler.Sample(time.Second)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	if openErr == nil {
		t.Fatal("a file could be opened: the test proves nothing")
	}
	if sampleErr != nil || after.CPUPercent <= 0 || after.MemoryBytes != before.MemoryBytes || after.MaxRSSBytes <= 0 {
		t.Errorf("got %+v, error %v", after, sampleErr)
	}
}
