package options_test

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

func TestMain(m *testing.M) { testmount.Main(m) }

// mount serves a fresh tmpfs with more arguments, separated by blanks.
func mount(t *testing.T, args string) (src string, m *testmount.Mount) {
	t.Helper()
	src = testmount.Tmpfs(t)
	return src, serve(t, src, strings.Fields(args)...)
}

// serve mounts src and returns when the daemon has done all that it does by itself.
func serve(t *testing.T, src string, args ...string) *testmount.Mount {
	t.Helper()
	pid := filepath.Join(t.TempDir(), "pid")
	m := testmount.Start(t, src, testmount.Config{Args: append(args, "--pid-file", pid)})
	eventually(t, "the daemon is ready", func() bool { return syscall.Access(pid, 0) == nil })
	return m
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("30 s, and not yet: %s", what)
		}
	}
}

// requests stops the daemon and returns how many of each opcode it has answered.
func requests(t *testing.T, m *testmount.Mount) map[string]int {
	t.Helper()
	m.Stop()
	n := map[string]int{}
	for line := range strings.Lines(m.Log()) {
		if !strings.Contains(line, "msg=served") {
			continue
		}
		fields := map[string]string{}
		for _, f := range strings.Fields(line) {
			k, v, _ := strings.Cut(f, "=")
			fields[k] = v
		}
		count, err := strconv.Atoi(fields["count"])
		if err != nil {
			t.Fatalf("%v in the log line %q", err, line)
		}
		n[fields["op"]] = count
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails unless err is the errno; 0 is none.
func want(t *testing.T, what string, err error, errno syscall.Errno) {
	t.Helper()
	if errno == 0 && err != nil || errno != 0 && !errors.Is(err, errno) {
		t.Errorf("%s: %v, want %v", what, err, errno)
	}
}

func write(t *testing.T, path, data string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(data), 0o644))
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return string(b)
}

func stat(t *testing.T, path string) *syscall.Stat_t {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		t.Fatal(filepath.Base(path), err)
	}
	return &st
}
