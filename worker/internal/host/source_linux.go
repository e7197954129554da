package host

import (
	"fmt"

	"github.com/prometheus/procfs"
)

// procSource reads procfs. Each reading opens files, and a worker that holds
// as many sockets as it may have descriptors can't open any: fallback then
// answers without one.
type procSource struct {
	process  procfs.Proc
	fallback source // nil: none
}

func newSource(root string) (source, error) {
	s := procSource{}
	if root == "" {
		root = procfs.DefaultMountPoint
		s.fallback = rusageSource{}
	}
	fs, err := procfs.NewFS(root)
	if err != nil {
		return nil, fmt.Errorf("opening procfs at %s: %w", root, err)
	}
	if s.process, err = fs.Self(); err != nil {
		return nil, fmt.Errorf("finding this process under %s: %w", root, err)
	}
	return s, nil
}

func (s procSource) read() (counters, error) {
	c, err := s.readFiles()
	if err != nil && s.fallback != nil {
		return s.fallback.read()
	}
	return c, err
}

func (s procSource) readFiles() (counters, error) {
	stat, err := s.process.Stat()
	if err != nil {
		return counters{}, fmt.Errorf("reading CPU time of process %d: %w", s.process.PID, err)
	}
	status, err := s.process.NewStatus()
	if err != nil {
		return counters{}, fmt.Errorf("reading memory of process %d: %w", s.process.PID, err)
	}
	return counters{
		cpuSeconds:  stat.CPUTime(),
		memoryBytes: int64(status.VmRSS),
		maxRSSBytes: int64(status.VmHWM),
	}, nil
}
