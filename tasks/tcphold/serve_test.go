package tcphold_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"upsurge/targets/push"
)

// serveVariable makes this test binary a push target instead of a test, so
// that the memory of the server's side is not in the process that is measured.
const serveVariable = "UPSURGE_TEST_PUSH_TARGET"

// serveOnly is the target's process: it ends when its standard input does.
func serveOnly() {
	if os.Getenv(serveVariable) == "" {
		return
	}
	var config push.Config
	config.Binding.Listen = []string{"127.0.0.1:0"}
	config.Immediate = true
	server, err := push.New(config)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(server.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := server.Run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// foreignTarget starts a push target in a process of its own that ends with
// the test, and returns its address.
func foreignTarget(t testing.TB) string {
	t.Helper()
	process := exec.Command(os.Args[0])
	process.Env = append(os.Environ(), serveVariable+"=1")
	process.Stderr = os.Stderr
	stdin, err := process.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := process.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		if err := process.Wait(); err != nil {
			t.Errorf("the target's process: %v", err)
		}
	})
	address, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the target's process did not say its address: %v", err)
	}
	return strings.TrimSpace(address)
}
