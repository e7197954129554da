package locust_test

import (
	"encoding/json"
	"maps"
	"net"
	"strconv"
	"testing"

	"upsurge/test/locust"
)

// answerOld and answerNew are the same moment as 2.12.1 and 2.47.0 show it.
const (
	answerOld = `{"current_response_time_percentile_50": 7, "current_response_time_percentile_95": null,
		"errors": [{"error": "&#x27;ValueError(&quot;it\\&#x27;s&quot;)&#x27;", "method": "M", "name": "n", "occurrences": 2}],
		"fail_ratio": 0.5, "state": "running", "total_rps": 17.0, "user_count": 2,
		"stats": [{"avg_content_length": 11.0, "avg_response_time": 7.0, "current_fail_per_sec": 0.0,
			"current_rps": 17.0, "max_response_time": 8.0, "median_response_time": 7, "method": "M",
			"min_response_time": 6.0, "name": "n", "ninetieth_response_time": 7, "ninety_ninth_response_time": 8,
			"num_failures": 2, "num_requests": 4, "safe_name": "n"}],
		"workers": [{"cpu_usage": 1.2, "id": "a_1", "memory_usage": 52199424, "state": "running", "user_count": 2}]}`
	answerNew = `{"current_fail_per_sec": 0.0, "current_response_time_percentiles":
			{"response_time_percentile_0.5": 7, "response_time_percentile_0.95": null},
		"errors": [{"error": "ValueError(\"it's\")", "first_seen": 1.5, "last_seen": 2.5, "method": "M", "name": "n", "occurrences": 2}],
		"fail_ratio": 0.5, "state": "running", "total_fail_per_sec": 0.0, "total_rps": 17.0, "user_count": 2, "worker_count": 1,
		"stats": [{"avg_content_length": 11.0, "avg_response_time": 7.0, "current_fail_per_sec": 0.0,
			"current_rps": 17.0, "max_response_time": 8.0, "median_response_time": 7, "method": "M",
			"min_response_time": 6.0, "name": "n", "num_failures": 2, "num_requests": 4,
			"response_time_percentile_0.9": 7, "response_time_percentile_0.99": 8,
			"total_fail_per_sec": 0.0, "total_rps": 20.1}],
		"workers": [{"cpu_usage": 1.2, "id": "a_1", "memory_usage": 52199424, "state": "running", "user_count": 2}]}`
)

func TestRequestsJSONIsTheSameForAllReleases(t *testing.T) {
	for name, answer := range map[string]string{"2.12.1": answerOld, "2.47.0": answerNew} {
		t.Run(name, func(t *testing.T) {
			var requests locust.RequestsJSON
			if err := json.Unmarshal([]byte(answer), &requests); err != nil {
				t.Fatal(err)
			}
			if requests.State != "running" || requests.UserCount != 2 || requests.FailRatio != 0.5 || requests.TotalRPS != 17 {
				t.Errorf("%+v", requests)
			}
			if !maps.Equal(requests.CurrentPercentiles, map[float64]float64{0.5: 7}) {
				t.Errorf("current percentiles %v", requests.CurrentPercentiles)
			}
			row, found := requests.Row("M", "n")
			if !found || row.NumRequests != 4 || row.NumFailures != 2 || row.MinResponseTime != 6 || row.MaxResponseTime != 8 {
				t.Errorf("row %+v", row)
			}
			if !maps.Equal(row.Percentiles, map[float64]float64{0.9: 7, 0.99: 8}) {
				t.Errorf("percentiles %v", row.Percentiles)
			}
			if len(requests.Errors) != 1 || requests.Errors[0].Error != `ValueError("it's")` || requests.Errors[0].Occurrences != 2 {
				t.Errorf("errors %+v", requests.Errors)
			}
			want := locust.WorkerRow{ID: "a_1", State: "running", UserCount: 2, CPUUsage: 1.2, MemoryUsage: 52199424}
			if len(requests.Workers) != 1 || requests.Workers[0] != want || requests.CountWorkers("running") != 1 {
				t.Errorf("workers %+v", requests.Workers)
			}
		})
	}
}

func TestRequestsJSONRefusesWhatItDoesNotUnderstand(t *testing.T) {
	for _, answer := range []string{
		`[]`,
		`{"stats": [{"response_time_percentile_x": 1}]}`,
		`{"stats": [{"response_time_percentile_0.9": "slow"}]}`,
		`{"current_response_time_percentiles": {"p50": 1}}`,
	} {
		var requests locust.RequestsJSON
		if err := json.Unmarshal([]byte(answer), &requests); err == nil {
			t.Errorf("%s was accepted as %+v", answer, requests)
		}
	}
}

func TestAtLeast(t *testing.T) {
	tests := []struct {
		version, minimum string
		want             bool
	}{
		{version: "2.47.0", minimum: "2.29", want: true},
		{version: "2.29.0", minimum: "2.29", want: true},
		{version: "2.29", minimum: "2.29.0", want: false},
		{version: "2.12.1", minimum: "2.29", want: false},
		{version: "3.0", minimum: "2.47.1", want: true},
		{version: "", minimum: "2.12", want: false},
	}
	for _, test := range tests {
		if got := locust.AtLeast(test.version, test.minimum); got != test.want {
			t.Errorf("AtLeast(%q, %q) = %v", test.version, test.minimum, got)
		}
	}
}

func TestFreePortCanBeListenedOn(t *testing.T) {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(locust.FreePort(t)))
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
}
