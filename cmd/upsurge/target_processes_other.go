//go:build !linux || portable

package main

import (
	"context"
	"io"

	"upsurge/targets"
)

type targetChildPart struct {
	admin  string
	listen []string
}

func targetChildFromEnvironment() (targetChildPart, bool) { return targetChildPart{}, false }

// superviseTarget refuses: other systems don't spread connections over
// processes that share a port.
func superviseTarget(context.Context, io.Writer, targets.Binding, int, bool, string) error {
	return usageError("--processes needs the Linux build: use --loops for more cores")
}
