package locust_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"upsurge/test/locust"
)

const (
	countedLocustfile = "testdata/counted.py"

	// What one CountedUser does, see testdata/counted.py.
	requestsPerUser = 20
	failuresPerUser = 2

	// patience is for waits whose end is certain unless something is broken.
	patience = 90 * time.Second
)

// eachWithWorker runs the test on every release whose Python worker can join
// its master: Debian's package without a version cannot.
func eachWithWorker(t *testing.T, test func(t *testing.T, executable string)) {
	locust.Each(t, func(t *testing.T, executable string) {
		if locust.Version(t, executable) == "" {
			t.Skip("a Python worker without a version cannot join a master")
		}
		test(t, executable)
	})
}

func TestWebMasterShowsWhatWorkerCounted(t *testing.T) {
	eachWithWorker(t, func(t *testing.T, executable string) {
		master := locust.Start(t, locust.Config{Executable: executable, Locustfile: countedLocustfile, Web: true})
		locust.StartWorker(t, master, locust.Config{})
		master.WaitFor(patience, "the worker to join", func(r locust.RequestsJSON) bool {
			return r.CountWorkers("ready") == 1
		})

		master.Swarm(3, 3, map[string]string{"host": "tcp://127.0.0.1:1"})
		shown := master.WaitFor(patience, "all requests", func(r locust.RequestsJSON) bool {
			return r.State == "running" && r.UserCount == 3 && r.Total().NumRequests >= 3*requestsPerUser
		})
		checkShown(t, shown)
		checkTabs(t, master, shown.Workers[0].ID)
		if locust.AtLeast(locust.Version(t, executable), "2.29") {
			if logs := master.Logs(); len(logs.Master) == 0 {
				t.Error("the Logs tab shows nothing of the master")
			}
		}

		master.Stop()
		master.WaitFor(patience, "the stop", func(r locust.RequestsJSON) bool {
			return r.State == "stopped" && r.UserCount == 0
		})
		if code := master.Terminate(); code != 1 {
			t.Errorf("exit code %d, want 1 after a test with failures", code)
		}
		checkTotals(t, master.Totals(), 3)
	})
}

func checkShown(t *testing.T, shown locust.RequestsJSON) {
	t.Helper()
	row, found := shown.Row("COUNTED", "work")
	if !found {
		t.Fatalf("no row for the requests: %+v", shown.Stats)
	}
	if row.NumRequests != 3*requestsPerUser || row.NumFailures != 3*failuresPerUser {
		t.Errorf("%d requests, %d failures, want %d and %d",
			row.NumRequests, row.NumFailures, 3*requestsPerUser, 3*failuresPerUser)
	}
	for name, milliseconds := range map[string]float64{
		"minimum": row.MinResponseTime, "maximum": row.MaxResponseTime, "average": row.AvgResponseTime,
		"median": row.MedianResponseTime, "99th percentile": row.Percentiles[0.99],
	} {
		if milliseconds != 7 {
			t.Errorf("%s is %v ms, want 7", name, milliseconds)
		}
	}
	if row.AvgContentLength != 11 {
		t.Errorf("average content length %v, want 11", row.AvgContentLength)
	}
	if shown.FailRatio != 0.1 {
		t.Errorf("fail ratio %v, want 0.1", shown.FailRatio)
	}
	checkFailures(t, shown.Errors, 3)
	if worker := shown.Workers[0]; worker.ID == "" || worker.State != "running" || worker.UserCount != 3 {
		t.Errorf("worker row %+v", worker)
	}
}

func checkFailures(t *testing.T, failures []locust.Failure, users int64) {
	t.Helper()
	if len(failures) != 1 {
		t.Fatalf("failures %+v, want one row", failures)
	}
	failure := failures[0]
	if failure.Method != "COUNTED" || failure.Name != "work" || failure.Occurrences != users*failuresPerUser {
		t.Errorf("failure row %+v", failure)
	}
	if want := `ValueError("it's broken")`; failure.Error != want {
		t.Errorf("error %q, want %q", failure.Error, want)
	}
}

// checkTabs looks at the tabs that have a page of their own.
func checkTabs(t *testing.T, master *locust.Master, worker string) {
	t.Helper()
	if ratio := master.Tasks().PerClass["CountedUser"]; ratio.Ratio != 1 || ratio.Tasks["work"].Ratio != 1 {
		t.Errorf("task ratio %+v", ratio)
	}
	exceptions := master.Exceptions()
	if len(exceptions) != 1 {
		t.Fatalf("exceptions %+v, want one row", exceptions)
	}
	exception := exceptions[0]
	if exception.Count != 3 || exception.Message != "no work left" || exception.Nodes != worker ||
		!strings.Contains(exception.Traceback, "RuntimeError") {
		t.Errorf("exception row %+v", exception)
	}
}

func checkTotals(t *testing.T, totals locust.Totals, users int64) {
	t.Helper()
	entry, found := totals.Entry("COUNTED", "work")
	if !found {
		t.Fatalf("no entry for the requests: %+v", totals)
	}
	for _, entry := range []locust.Entry{entry, totals.Total} {
		if entry.NumRequests != users*requestsPerUser || entry.NumFailures != users*failuresPerUser {
			t.Errorf("%s: %d requests, %d failures, want %d and %d", entry.Name,
				entry.NumRequests, entry.NumFailures, users*requestsPerUser, users*failuresPerUser)
		}
		if want := []locust.Bucket{{Milliseconds: 7, Count: users * requestsPerUser}}; !slices.Equal(entry.ResponseTimes, want) {
			t.Errorf("%s: response times %v, want %v", entry.Name, entry.ResponseTimes, want)
		}
		if entry.MinResponseTime == nil || *entry.MinResponseTime != 7 || entry.TotalResponseTime != float64(7*users*requestsPerUser) {
			t.Errorf("%s: times %+v", entry.Name, entry)
		}
	}
	checkFailures(t, totals.Errors, users)
	if len(totals.Exceptions) != 1 || totals.Exceptions[0].Count != users {
		t.Errorf("exceptions %+v, want one row of %d", totals.Exceptions, users)
	}
}

func TestHeadlessMasterLeavesTotals(t *testing.T) {
	eachWithWorker(t, func(t *testing.T, executable string) {
		master := locust.Start(t, locust.Config{
			Executable: executable, Locustfile: countedLocustfile,
			Args: []string{"-u", "2", "-r", "2", "-t", "5s", "--expect-workers", "1"},
		})
		worker := locust.StartWorker(t, master, locust.Config{})
		if code := master.Wait(patience); code != 1 {
			t.Errorf("exit code %d, want 1 after a test with failures", code)
		}
		worker.Wait(patience)
		checkTotals(t, master.Totals(), 2)
	})
}

func TestMasterWithoutWorkerEndsWithEmptyTotals(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		master := locust.Start(t, locust.Config{Executable: executable, Locustfile: countedLocustfile, Web: true})
		if code := master.Terminate(); code != 0 {
			t.Errorf("exit code %d, want 0", code)
		}
		totals := master.Totals()
		if len(totals.Entries) != 0 || totals.Total.NumRequests != 0 || totals.Total.MinResponseTime != nil {
			t.Errorf("totals %+v, want none", totals)
		}
	})
}

func TestMasterFreezesThawsAndRestartsOnItsPorts(t *testing.T) {
	locust.Each(t, func(t *testing.T, executable string) {
		master := locust.Start(t, locust.Config{Executable: executable, Locustfile: countedLocustfile, Web: true})
		port, address := master.Port(), master.WebURL()
		if state := master.Requests().State; state != "ready" {
			t.Errorf("state %q, want ready", state)
		}

		master.Freeze()
		client := http.Client{Timeout: time.Second}
		if answer, err := client.Get(address); err == nil {
			_ = answer.Body.Close()
			t.Error("a frozen master answers")
		}
		master.Thaw()
		if status, _ := master.Get("/"); status != http.StatusOK {
			t.Errorf("after the thaw: status %d", status)
		}

		master.Kill()
		if code := master.Wait(patience); code != -1 {
			t.Errorf("exit code %d of a killed master, want -1", code)
		}
		master.Restart()
		if master.Port() != port || master.WebURL() != address {
			t.Errorf("restarted on %d and %s, was on %d and %s", master.Port(), master.WebURL(), port, address)
		}
		master.ResetStats()
		if starts := strings.Count(master.Log(), "Starting web interface"); starts != 2 {
			t.Errorf("the log shows %d starts, want 2:\n%s", starts, master.Log())
		}
	})
}
