package cost

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	runLimit  = 10 * time.Minute // of one server
	stopLimit = 30 * time.Second
)

// server is a server process and its mount.
type server struct {
	t      *testing.T
	dir    string // mount point
	pid    int
	device uint32
	in     io.Writer
	out    *bufio.Reader
}

// start serves src. The end of the test stops the server; one that hangs is aborted.
func start(t *testing.T, transport, src string) *server {
	t.Helper()
	s := &server{t: t}
	var err error
	if s.dir, err = os.MkdirTemp("", "cost-mnt-"); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), roleEnv+"="+strings.Join([]string{"serve", transport, src, s.dir}, " "))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	s.pid = c.Process.Pid
	end := func() { s.abort(); _ = c.Process.Kill() }
	watchdog := time.AfterFunc(runLimit, func() {
		t.Errorf("%s: aborted after %v", transport, runLimit)
		end()
	})
	t.Cleanup(func() {
		watchdog.Stop()
		in.Close()
		late := time.AfterFunc(stopLimit, end)
		defer late.Stop()
		if err := c.Wait(); err != nil {
			t.Errorf("%s: the server ended with %v", transport, err)
			_ = unix.Unmount(s.dir, unix.MNT_DETACH)
		}
		if err := os.Remove(s.dir); err != nil {
			t.Error(err)
		}
	})
	s.device = s.mark().Device
	return s
}

// abort ends the mount in the kernel: every client gets an error.
func (s *server) abort() {
	_ = os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", s.device), []byte("1"), 0)
}

// mark ends a stretch and begins the next one.
func (s *server) mark() (r report) {
	s.t.Helper()
	if err := json.Unmarshal(s.ask(cmdMark), &r); err != nil {
		s.t.Fatal(err)
	}
	s.line()
	return r
}

// nodes is how many nodes the kernel knows.
func (s *server) nodes() int {
	s.t.Helper()
	n, err := strconv.Atoi(strings.TrimSpace(string(s.ask(cmdNodes))))
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// ask sends a command and reads a line.
func (s *server) ask(cmd byte) []byte {
	s.t.Helper()
	if _, err := s.in.Write([]byte{cmd}); err != nil {
		s.t.Fatal(err)
	}
	return s.line()
}

func (s *server) line() []byte {
	s.t.Helper()
	b, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatal("the server says nothing: ", err)
	}
	return b
}
