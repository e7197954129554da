package worker

import (
	"crypto/rand"
	"encoding/hex"
	"maps"
	"os"
	"slices"
	"strings"
)

// newIdentity makes an id of the form that Locust's own workers have. The
// master groups workers by what stands before the first "_", so the host's
// name must not have one.
func newIdentity() string {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "worker"
	}
	name = strings.ToValidUTF8(strings.ReplaceAll(name, "_", "-"), "-")
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return name[:min(len(name), 200)] + "_" + hex.EncodeToString(id[:])
}

// classNames lists the classes that have users, for people.
func classNames(counts map[string]int) string {
	names := slices.Sorted(maps.Keys(counts))
	return strings.Join(slices.DeleteFunc(names, func(name string) bool { return counts[name] == 0 }), ",")
}
