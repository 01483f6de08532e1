package guest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

const (
	serverLimit = time.Minute // for what a server does within milliseconds on an idle machine
	pollEvery   = 20 * time.Millisecond
)

// share is a running `fastfsd serve` with one share.
type share struct {
	socket string
	cmd    *exec.Cmd
	log    output
	exited chan struct{}
}

// startShare serves dir and returns when a VMM can connect. The end of the test stops the server, which must leave cleanly.
func startShare(t *testing.T, dir string) *share {
	t.Helper()
	s := &share{socket: filepath.Join(t.TempDir(), "share.sock"), exited: make(chan struct{})}
	s.cmd = exec.Command(testmount.Program(t), "serve", "--socket", s.socket, "--share", "share="+dir)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // its error is in ProcessState
		close(s.exited)
	}()
	t.Cleanup(func() { s.stop(t) })
	within(t, serverLimit, "the server has no socket", func() bool {
		_, err := os.Stat(s.socket)
		return err == nil || s.ended()
	})
	return s
}

func (s *share) ended() bool {
	select {
	case <-s.exited:
		return true
	default:
		return false
	}
}

func (s *share) stop(t *testing.T) {
	early := s.ended()
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // of one that has ended it fails, which is said below
	select {
	case <-s.exited:
	case <-time.After(serverLimit):
		t.Errorf("the server runs on after SIGTERM: killed")
		_ = s.cmd.Process.Kill()
		<-s.exited
	}
	if early || !s.cmd.ProcessState.Success() {
		t.Errorf("the server ended with: %v, before it was told to: %v", s.cmd.ProcessState, early)
	}
	if t.Failed() {
		t.Logf("the server printed:\n%s", s.log.String())
	}
}

// descriptors counts the server's open files.
func (s *share) descriptors(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// guestMemory reports whether the server still has a guest's memory mapped.
func (s *share) guestMemory(t *testing.T) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(maps), "memfd:memory-backend")
}

// within waits until done, and fails the test after limit.
func within(t *testing.T, limit time.Duration, complaint string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(pollEvery) {
		if time.Now().After(deadline) {
			t.Fatalf("%s after %v", complaint, limit)
		}
	}
}

// output keeps what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
