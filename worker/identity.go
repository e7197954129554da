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
	if err != nil {
		name = ""
	}
	return identityOn(name)
}

// maxHostName is how much of a host's name an id shows; with what follows it
// stays below the 255 bytes that ZeroMQ allows.
const maxHostName = 200

// identityOn makes an id for a worker on the host of that name.
func identityOn(host string) string {
	host = strings.ReplaceAll(host[:min(len(host), maxHostName)], "_", "-")
	host = strings.ToValidUTF8(host, "") // after the cut, which may split a letter
	if host == "" {
		host = "worker"
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return host + "_" + hex.EncodeToString(id[:])
}

// classNames lists the classes that have users, for people.
func classNames(counts map[string]int) string {
	names := slices.Sorted(maps.Keys(counts))
	return strings.Join(slices.DeleteFunc(names, func(name string) bool { return counts[name] == 0 }), ",")
}
