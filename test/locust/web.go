package locust

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// requestTimeout covers the longest answer: /stop comes back only when
	// the workers have stopped, for which the master allows 60 s.
	requestTimeout = 90 * time.Second

	// probeTimeout is for requests that are repeated anyway.
	probeTimeout = 10 * time.Second

	// answerLimit bounds what is read of one answer.
	answerLimit = 64 << 20
)

// transport keeps no connection open between two requests: an idle one would
// look like a leak to the tests, and would be dead after a restart.
func transport() *http.Transport {
	return &http.Transport{DisableKeepAlives: true}
}

// request sends one request to the master's web server.
func (m *Master) request(method, path string, form url.Values, timeout time.Duration) (status int, body []byte, err error) {
	if !m.config.Web {
		return 0, nil, errors.New("the master was started without Web")
	}
	client := http.Client{Transport: transport(), Timeout: timeout}
	var response *http.Response
	switch method {
	case http.MethodPost:
		response, err = client.PostForm(m.WebURL()+path, form)
	default:
		response, err = client.Get(m.WebURL() + path)
	}
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, answerLimit))
	return response.StatusCode, body, err
}

func (m *Master) tryGet(path string) (status int, body []byte, err error) {
	return m.request(http.MethodGet, path, nil, probeTimeout)
}

// Get fetches a page and returns its status code and content.
func (m *Master) Get(path string) (status int, body []byte) {
	m.t.Helper()
	status, body, err := m.request(http.MethodGet, path, nil, requestTimeout)
	if err != nil {
		m.t.Fatalf("get %s: %v", path, err)
	}
	return status, body
}

// Post submits a form and returns the answer's status code and content.
func (m *Master) Post(path string, form url.Values) (status int, body []byte) {
	m.t.Helper()
	status, body, err := m.request(http.MethodPost, path, form, requestTimeout)
	if err != nil {
		m.t.Fatalf("post %s: %v", path, err)
	}
	return status, body
}

// wantsGet tells whether a page refused to be posted to. Some releases turn
// every error of a page into their own, the refusal included.
func wantsGet(status int, body []byte) bool {
	return status == http.StatusMethodNotAllowed ||
		status == http.StatusInternalServerError && bytes.Contains(body, []byte("405 Method Not Allowed"))
}

// submit posts to a page that answers {"success": …}. Old releases take some of
// them by GET alone.
func (m *Master) submit(path string, form url.Values) {
	m.t.Helper()
	status, body := m.Post(path, form)
	if wantsGet(status, body) {
		status, body = m.Get(path)
	}
	var answer struct {
		Success bool `json:"success"`
	}
	if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK || !answer.Success {
		m.t.Fatalf("%s %v: status %d: %s", path, form, status, body)
	}
}

// Swarm starts a test, or changes the running one, as the Start and Edit
// buttons do: so many users, spawned at rate users a second. The form adds
// fields such as host, run_time or the locustfile's own options; it may be nil.
func (m *Master) Swarm(users int, rate float64, form map[string]string) {
	m.t.Helper()
	values := url.Values{
		"user_count": {strconv.Itoa(users)},
		"spawn_rate": {strconv.FormatFloat(rate, 'f', -1, 64)},
	}
	for field, value := range form {
		values.Set(field, value)
	}
	m.submit("/swarm", values)
}

// Stop stops the test as the Stop button does and returns when the master has
// it stopped.
func (m *Master) Stop() {
	m.t.Helper()
	m.submit("/stop", nil)
}

// ResetStats empties the master's statistics as the Reset button does.
func (m *Master) ResetStats() {
	m.t.Helper()
	status, body := m.Post("/stats/reset", nil)
	if wantsGet(status, body) {
		status, body = m.Get("/stats/reset")
	}
	if status != http.StatusOK {
		m.t.Fatalf("/stats/reset: status %d: %s", status, body)
	}
}

// Requests returns what the web page shows. The master keeps its answer for two
// seconds and more, so that a figure may be that old: use WaitFor.
func (m *Master) Requests() RequestsJSON {
	m.t.Helper()
	requests, err := m.tryRequests()
	if err != nil {
		m.t.Fatal(err)
	}
	return requests
}

func (m *Master) tryRequests() (RequestsJSON, error) {
	var requests RequestsJSON
	status, body, err := m.tryGet("/stats/requests")
	if err != nil {
		return requests, fmt.Errorf("get /stats/requests: %w", err)
	}
	if status != http.StatusOK {
		return requests, fmt.Errorf("get /stats/requests: status %d: %s", status, body)
	}
	err = json.Unmarshal(body, &requests)
	return requests, err
}

// WaitFor polls /stats/requests until the condition is true and returns that
// answer. It fails the test when that takes longer than timeout; what completes
// the sentence "waiting for …". A master that does not answer, say while it
// restarts or is frozen, is asked again.
func (m *Master) WaitFor(timeout time.Duration, what string, condition func(RequestsJSON) bool) RequestsJSON {
	m.t.Helper()
	var last RequestsJSON
	var err error
	met := poll(timeout, func() bool {
		last, err = m.tryRequests()
		return err == nil && condition(last)
	})
	switch {
	case !met && err != nil:
		m.t.Fatalf("waited %v for %s: %v", timeout, what, err)
	case !met:
		m.t.Fatalf("waited %v for %s; the master's last answer: %+v", timeout, what, last)
	}
	return last
}

// Tasks returns the Tasks tab.
func (m *Master) Tasks() TasksJSON {
	m.t.Helper()
	var tasks TasksJSON
	m.decode("/tasks", &tasks)
	return tasks
}

// Exceptions returns the Exceptions tab.
func (m *Master) Exceptions() []Exception {
	m.t.Helper()
	var answer struct {
		Exceptions []Exception `json:"exceptions"`
	}
	m.decode("/exceptions", &answer)
	return answer.Exceptions
}

// Logs returns the Logs tab. Releases before 2.29 have none and fail the test.
func (m *Master) Logs() LogsJSON {
	m.t.Helper()
	var logs LogsJSON
	m.decode("/logs", &logs)
	return logs
}

// decode fetches a page of JSON.
func (m *Master) decode(path string, into any) {
	m.t.Helper()
	status, body := m.Get(path)
	if status != http.StatusOK {
		m.t.Fatalf("get %s: status %d: %s", path, status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		m.t.Fatalf("get %s: %v: %s", path, err, body)
	}
}
