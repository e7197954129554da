//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// setting is a limit of the host that must not be lower.
type setting struct {
	key   string
	least int64
	why   string
}

// change is a setting that was made, with what to put back.
type change struct{ key, old, applied string }

// changes are in the order in which they were made.
type changes []change

func settingPath(key string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
}

// applySettings raises what is too low, never lowers anything, and prints each.
// What it changed is returned also beside an error.
func applySettings(out io.Writer, settings []setting) (changes, error) {
	var made changes
	for _, s := range settings {
		old := readSetting(settingPath(s.key))
		value, err := strconv.ParseInt(old, 10, 64)
		switch {
		case old == "":
			fmt.Fprintf(out, "setting %s: not on this host\n", s.key)
		case err == nil && value >= s.least:
			fmt.Fprintf(out, "setting %s = %s: enough\n", s.key, old)
		case err != nil:
			return made, fmt.Errorf("setting %s is %q: not a number", s.key, old)
		default:
			wanted := strconv.FormatInt(s.least, 10)
			if err := sysctl(s.key, wanted); err != nil {
				return made, fmt.Errorf("setting %s, which is %s, to %s (%s): %w", s.key, old, wanted, s.why, err)
			}
			made = append(made, change{key: s.key, old: old, applied: wanted})
			fmt.Fprintf(out, "setting %s: %s -> %s (%s)\n", s.key, old, wanted, s.why)
		}
	}
	return made, nil
}

// putBack restores, last first, what is still as it was applied: a value that
// somebody else has changed since is theirs.
func (c changes) putBack(out io.Writer) error {
	var faults []error
	for _, made := range slices.Backward(c) {
		if now := readSetting(settingPath(made.key)); now != made.applied {
			fmt.Fprintf(out, "setting %s: left at %s, which somebody else has set\n", made.key, now)
			continue
		}
		if err := sysctl(made.key, made.old); err != nil {
			faults = append(faults, fmt.Errorf("putting back %s = %s: %w", made.key, made.old, err))
			continue
		}
		fmt.Fprintf(out, "setting %s: back to %s\n", made.key, made.old)
	}
	return errors.Join(faults...)
}

// sysctl sets a value and reads it back: sysctl ends with 0 on some failures.
func sysctl(key, value string) error {
	if os.Geteuid() != 0 {
		return errors.New("this needs root; do it by hand: sysctl -w " + key + "=" + value)
	}
	output, err := exec.Command("sysctl", "-q", "-w", key+"="+value).CombinedOutput()
	if err != nil {
		return fmt.Errorf("sysctl -w: %w: %s", err, strings.TrimSpace(string(output)))
	}
	if now := readSetting(settingPath(key)); now != value {
		return fmt.Errorf("sysctl -w: the value is %s afterwards: %s", now, strings.TrimSpace(string(output)))
	}
	return nil
}
