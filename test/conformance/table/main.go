// Command table renders the outcomes of a conformance run, lines of JSON on
// stdin, as Markdown on stdout. Its arguments describe the worker's version.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"upsurge/test/conformance"
)

func main() {
	outcomes, err := conformance.ReadOutcomes(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "table: "+err.Error())
		os.Exit(1)
	}
	run := conformance.Run{Machine: machine(), Upsurge: strings.Join(os.Args[1:], " "), Outcomes: outcomes}
	if _, err := os.Stdout.WriteString(run.Markdown()); err != nil {
		os.Exit(1)
	}
}

// machine is the kernel and the number of cores.
func machine() string {
	kernel := runtime.GOOS
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		kernel = "Linux " + strings.TrimSpace(string(release))
	}
	return fmt.Sprintf("%s, %s, %d cores", kernel, runtime.GOARCH, runtime.NumCPU())
}
