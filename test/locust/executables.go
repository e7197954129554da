package locust

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// executablesVariable lists the Locust executables to test with, separated as
// in PATH.
const executablesVariable = "UPSURGE_LOCUST"

var versionPattern = regexp.MustCompile(`(?m)^locust (\d+(?:\.\d+)*)`)

// Executables returns the Locust executables that the environment variable
// UPSURGE_LOCUST names, at least one. It fails the test when there is none: an
// integration test that passes for want of a master would be worth nothing.
func Executables(t testing.TB) []string {
	t.Helper()
	executables := filepath.SplitList(os.Getenv(executablesVariable))
	if len(executables) == 0 {
		t.Fatalf("%s names no Locust executable: run `make test-integration`, or `make test` for everything, "+
			"or set it to the output of `scripts/locust-env all`", executablesVariable)
	}
	for _, executable := range executables {
		if _, err := exec.LookPath(executable); err != nil {
			t.Fatalf("%s names an executable that is not there: %v", executablesVariable, err)
		}
	}
	return executables
}

// Each runs the test once per executable of Executables, as a subtest that is
// named for the Locust release.
func Each(t *testing.T, test func(t *testing.T, executable string)) {
	t.Helper()
	EachRelease(t, func(t *testing.T, executable, _ string) { test(t, executable) })
}

// EachRelease is Each for tests that want to know the release as well; it is
// what Version says.
func EachRelease(t *testing.T, test func(t *testing.T, executable, version string)) {
	t.Helper()
	for _, executable := range Executables(t) {
		version := Version(t, executable)
		name := version
		if name == "" {
			name = "unversioned"
		}
		t.Run("locust-"+name, func(t *testing.T) { test(t, executable, version) })
	}
}

// Version returns the release that the executable reports, such as "2.12.1". It
// is empty for Debian's package of 2.12.1, which carries no version.
func Version(t testing.TB, executable string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	output, err := exec.CommandContext(ctx, executable, "--version").CombinedOutput()
	if err != nil {
		t.Fatalf("%s --version: %v\n%s", executable, err, output)
	}
	match := versionPattern.FindSubmatch(output)
	if match == nil {
		return ""
	}
	return string(match[1])
}

// AtLeast tells whether version is minimum or later; both are dotted numbers.
// An empty version counts as older than any, because the only release without
// one is the oldest that is tested.
func AtLeast(version, minimum string) bool {
	have, want := numbers(version), numbers(minimum)
	for i, number := range want {
		switch {
		case i >= len(have) || have[i] < number:
			return false
		case have[i] > number:
			return true
		}
	}
	return true
}

// numbers splits a dotted version; a part that is no number counts as 0.
func numbers(version string) []int {
	if version == "" {
		return nil
	}
	var parts []int
	for part := range strings.SplitSeq(version, ".") {
		number, _ := strconv.Atoi(part)
		parts = append(parts, number)
	}
	return parts
}
