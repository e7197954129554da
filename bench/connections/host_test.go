//go:build linux

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

const slabinfo = `slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
TCP                  117    117   2368   13    8 : tunables    0    0    0 : slabdata      9      9      0
sock_inode_cache     118    228    832   19    4 : tunables    0    0    0 : slabdata     12     12      0
filp                1785   1785    192   21    1 : tunables    0    0    0 : slabdata     85     85      0
dentry            278355 278355    192   21    1 : tunables    0    0    0 : slabdata  13255  13255      0
`

func TestSocketBytes(t *testing.T) {
	got, err := socketBytes([]byte(slabinfo))
	// 8*4096/13 + 4*4096/19 + 4096/21 twice, and 128 + 64 for epoll.
	if want := 2520.6 + 862.3 + 2*195.0 + 192; err != nil || got < want-1 || got > want+1 {
		t.Errorf("%.1f, %v, want %.1f", got, err, want)
	}
	if _, err := socketBytes([]byte("no such list")); err == nil {
		t.Error("a list without sockets gave no error")
	}
}

func TestSockets(t *testing.T) {
	var s sockets
	s.add([]byte("sockets: used 36\nTCP: inuse 22 orphan 0 tw 5633 alloc 22 mem 2\nUDP: inuse 7 mem 9\n"))
	s.add([]byte("TCP6: inuse 3\n"))
	if s.Open != 25 || s.TimeWait != 5633 || s.Memory != 2*pageSize {
		t.Errorf("got %+v", s)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := readUsage([]int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if before.Private <= 0 || before.Descriptors < 3 || before.Processes != 1 {
		t.Errorf("got %+v", before)
	}
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	after, err := readUsage([]int{os.Getpid()})
	if err != nil || after.Descriptors != before.Descriptors+1 {
		t.Errorf("%d descriptors after opening one, %d before, %v", after.Descriptors, before.Descriptors, err)
	}
	if _, err := readUsage([]int{1 << 30}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a process that is not there: %v", err)
	}
}

func TestChildren(t *testing.T) {
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	}()
	pids, err := children(os.Getpid())
	if err != nil || len(pids) != 1 || pids[0] != child.Process.Pid {
		t.Errorf("got %v, %v, want %d", pids, err, child.Process.Pid)
	}
}

// Settings that are high enough are left alone, and say so.
func TestSettingsThatAreEnough(t *testing.T) {
	var out bytes.Buffer
	made, err := applySettings(&out, []setting{{key: "fs.file-max", least: 1}, {key: "fs.no-such-setting", least: 1}})
	if err != nil || len(made) != 0 {
		t.Errorf("changed %v, %v", made, err)
	}
	for _, want := range []string{"fs.file-max = ", "enough", "fs.no-such-setting: not on this host"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("printed %q, want %q in it", &out, want)
		}
	}
	drifted := changes{{key: "fs.file-max", old: "1", applied: "2"}}
	if err := drifted.putBack(&out); err != nil || !strings.Contains(out.String(), "somebody else has set") {
		t.Errorf("a setting that somebody else has changed: %v, %q", err, &out)
	}
}
