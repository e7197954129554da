package conformance

import (
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
	"upsurge/test/relay"
	"upsurge/test/scene"
)

// sampleTimes has the edges of Locust's rounding, which goes to the even
// number at a half.
const sampleTimes = "0,0.4,0.5,0.6,1.5,2.5,3.5,7,7.49,99.4,99.5,99.6,100,104.9,105,115,145,155,994.9,995,999.5,1000,1049,1050,1150,1450,1550,9949,9950,10000,10500,11500,12499.5,60000"

func TestCheck18FiguresLikePython(t *testing.T) {
	check(t, 18, false, func(s *stand) {
		upsurge, page := s.sampled(false)
		python, pythonPage := s.sampled(true)
		for _, name := range [][2]string{{"SAMPLE", "given"}, {"", "Aggregated"}} {
			ours, theirs := upsurge.Total, python.Total
			if name[0] != "" {
				ours, _ = upsurge.Entry(name[0], name[1])
				theirs, _ = python.Entry(name[0], name[1])
			}
			sameEntry(s, ours, theirs)
			shown, _ := page.Row(name[0], name[1])
			wanted, _ := pythonPage.Row(name[0], name[1])
			if !maps.Equal(shown.Percentiles, wanted.Percentiles) || shown.MedianResponseTime != wanted.MedianResponseTime ||
				math.Abs(shown.AvgResponseTime-wanted.AvgResponseTime) > 0.01 || shown.AvgContentLength != wanted.AvgContentLength {
				s.Errorf("row %v: shown %+v, for the Python worker %+v", name, shown, wanted)
			}
		}
		s.rate(s.master("SampleUser", "--sample-rate", "25", "--sample-times", "12,20,30"), 0)
	})
}

// sampled runs two users' samples and returns the master's figures.
func (s *stand) sampled(python bool) (locust.Totals, locust.RequestsJSON) {
	s.Helper()
	master := s.master("SampleUser", "--sample-times", sampleTimes)
	if python {
		locust.StartWorker(s, master, locust.Config{})
	} else {
		startClasses(s, workerSettings{Port: master.Port(), Loops: 2})
	}
	scene.AwaitReady(master, 1)
	master.Swarm(2, 2, nil)
	want := int64(2 * (1 + strings.Count(sampleTimes, ",")))
	page := master.WaitFor(patience, "all samples", func(r locust.RequestsJSON) bool { return r.Total().NumRequests >= want })
	master.Stop()
	master.Terminate()
	return master.Totals(), page
}

// sameEntry compares what does not depend on the moment of the run.
func sameEntry(t testing.TB, ours, theirs locust.Entry) {
	t.Helper()
	if ours.NumRequests == 0 || ours.NumRequests != theirs.NumRequests || ours.NumNoneRequests != theirs.NumNoneRequests ||
		ours.NumFailures != theirs.NumFailures || ours.TotalContentLength != theirs.TotalContentLength {
		t.Errorf("%s: counts %+v, for the Python worker %+v", ours.Name, ours, theirs)
	}
	if !slices.Equal(ours.ResponseTimes, theirs.ResponseTimes) {
		t.Errorf("%s: buckets\n%v, for the Python worker\n%v", ours.Name, ours.ResponseTimes, theirs.ResponseTimes)
	}
	if ours.MinResponseTime == nil || theirs.MinResponseTime == nil || *ours.MinResponseTime != *theirs.MinResponseTime ||
		ours.MaxResponseTime != theirs.MaxResponseTime || math.Abs(ours.TotalResponseTime-theirs.TotalResponseTime) > 0.01 {
		t.Errorf("%s: times %+v, for the Python worker %+v", ours.Name, ours, theirs)
	}
}

// rate runs two users of 25 samples a second (12, 20 and 30 ms in turn) and
// looks at what the master makes of them. allowed is how much more than 2 % the
// rates may be off.
func (s *stand) rate(master *locust.Master, allowed float64) {
	s.Helper()
	startClasses(s, workerSettings{Port: master.Port(), Loops: 2})
	scene.AwaitReady(master, 1)
	master.Swarm(2, 2, nil)
	awaitUsers(master, 2)
	time.Sleep(20 * time.Second)
	near := func(rps float64) bool { return math.Abs(rps-50) <= 50*(0.02+allowed) }
	r := master.WaitFor(20*time.Second, "the rates and percentiles", func(r locust.RequestsJSON) bool {
		median, shown := r.CurrentPercentiles[0.5] // not on every release
		return near(r.TotalRPS) && near(r.Total().CurrentRPS) && (median == 20 || !shown) && r.CurrentPercentiles[0.95] == 30
	})
	s.Logf("total RPS %.2f, current %.2f, percentiles %v", r.TotalRPS, r.Total().CurrentRPS, r.CurrentPercentiles)
	master.Stop()
	master.Terminate()
	total := master.Totals().Total
	span := *total.LastRequestTimestamp - total.StartTime
	if rps := float64(total.NumRequests) / span; !near(rps) {
		s.Errorf("%d requests in %.2f s by the workers' own times: %.2f a second", total.NumRequests, span, rps)
	}
}

func TestCheck19EmptyReports(t *testing.T) {
	check(t, 19, false, func(s *stand) {
		master := s.master("IdleUser")
		wire := relay.Start(s, master.Port())
		startClasses(s, workerSettings{Port: wire.Port()})
		scene.AwaitReady(master, 1)
		awaitCount(s, wire, relay.ToMaster, "stats", 1) // also before the first test
		master.Swarm(3, 3, nil)
		awaitUsers(master, 3)
		awaitCount(s, wire, relay.ToMaster, "stats", 4)
		for _, m := range wire.Messages(func(m relay.Message) bool { return m.Type == "stats" }) {
			total, _ := m.Field("stats_total").(map[any]any)
			entries, _ := m.Field("stats").([]any)
			if total == nil || total["min_response_time"] != nil || total["last_request_timestamp"] != nil || len(entries) != 0 {
				s.Errorf("an empty report says %v", m.Data)
			}
			if relay.Number(total["start_time"]) == 0 {
				s.Errorf("an empty report has no start time: %v", m.Data)
			}
		}
		master.Stop()
		master.Terminate()
		if total := master.Totals().Total; total.MinResponseTime != nil || total.LastRequestTimestamp != nil || total.NumRequests != 0 {
			s.Errorf("the master's total %+v", total)
		}
	})
}

func TestCheck20TextsThatAreNoText(t *testing.T) {
	check(t, 20, false, func(s *stand) {
		master := s.master("FaultUser")
		wire := relay.Start(s, master.Port())
		startClasses(s, workerSettings{Port: wire.Port()})
		scene.AwaitReady(master, 1)
		master.Swarm(3, 3, nil)
		want := int64(3 * len(faultTexts()))
		master.WaitFor(patience, "all failures on the page", func(r locust.RequestsJSON) bool {
			row, _ := r.Row("FAULT", "errors")
			return row.NumRequests == want && row.NumFailures == want
		})
		time.Sleep(3 * time.Second)
		r := master.Requests()
		if row, _ := r.Row("FAULT", "errors"); row.NumFailures != want || r.Total().NumRequests != want+3 {
			s.Errorf("%d failures, want %d; total %+v", row.NumFailures, want, r.Total())
		}
		for _, e := range r.Errors {
			if e.Occurrences != 3 {
				s.Errorf("%d occurrences of %.60q", e.Occurrences, e.Error)
			}
		}
		if len(r.Errors) != len(faultTexts()) {
			s.Errorf("%d rows of failures, want %d", len(r.Errors), len(faultTexts()))
		}
		if exceptions := master.Exceptions(); len(exceptions) != 1 || exceptions[0].Count != 3 {
			s.Errorf("%d rows of exceptions", len(exceptions))
		}
		if n := wire.Count(relay.ToWorker, "reconnect"); n != 0 {
			s.Errorf("the master asked for a reconnect %d times", n)
		}
		hears(s, master)
	})
}

// clockShifted makes an executable that runs Locust with its clock moved by
// what is in the file at that time, such as "-1h".
func (s *stand) clockShifted() (executable, file string) {
	s.Helper()
	library, err := exec.Command("faketime", "-f", "+0", "printenv", "LD_PRELOAD").Output()
	if err != nil {
		s.skip("needs faketime to move the master's clock: scripts/apt-install faketime")
	}
	folder := s.TempDir()
	executable, file = filepath.Join(folder, "locust"), filepath.Join(folder, "shift")
	script := fmt.Sprintf("#!/bin/sh\nLD_PRELOAD='%s' FAKETIME=$(cat %s) exec %s \"$@\"\n",
		strings.TrimSpace(string(library)), file, s.executable)
	if err := os.WriteFile(executable, []byte(script), 0o700); err != nil {
		s.Fatal(err)
	}
	return executable, file
}

func writeShift(t testing.TB, file, shift string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(shift), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheck26ClockAhead(t *testing.T) {
	check(t, 26, false, func(s *stand) {
		executable, shift := s.clockShifted()
		writeShift(s, shift, "-15s")
		master := locust.Start(s, locust.Config{
			Executable: executable, Locustfile: conformancePlan, Web: true,
			Args: []string{"SampleUser", "--sample-rate", "25", "--sample-times", "12,20,30"},
		})
		s.rate(master, 0.03)
		if behind := float64(time.Now().Unix()) - *master.Totals().Total.LastRequestTimestamp; behind < 14 {
			s.Errorf("the last request is %.1f s old: the master's clock was not behind, so nothing was tested", behind)
		}
	})
}
