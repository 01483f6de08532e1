//go:build linux

package testmount

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Command is a program that works on a mount. Its zero limit is a minute.
type Command struct {
	Args  []string // program and arguments
	Dir   string   // working folder
	Env   []string // added to the environment
	Limit time.Duration
}

// Output runs c and returns what it printed, stdout and stderr together. At the limit the mount is aborted, and the
// program with its children killed: a process that waits for an answer of the daemon cannot be killed before.
func (m *Mount) Output(c Command) (string, error) { return c.run(func() { _ = m.Abort() }) }

// Run is Output that fails the test tb unless the program exits with 0.
func (m *Mount) Run(tb testing.TB, c Command) string {
	tb.Helper()
	out, err := m.Output(c)
	if err != nil {
		tb.Fatalf("%v\n%s", err, clip(out))
	}
	return out
}

// Output runs c where no mount of ours is concerned.
func Output(c Command) (string, error) { return c.run(func() {}) }

// Run is Output that fails the test unless the program exits with 0.
func Run(tb testing.TB, c Command) string {
	tb.Helper()
	out, err := Output(c)
	if err != nil {
		tb.Fatalf("%v\n%s", err, clip(out))
	}
	return out
}

func (c Command) run(abort func()) (string, error) {
	limit := c.Limit
	if limit == 0 {
		limit = time.Minute
	}
	var out bytes.Buffer
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Dir = c.Dir
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = killLimit
	if err := cmd.Start(); err != nil {
		return "", err
	}
	expired := make(chan struct{})
	timer := time.AfterFunc(limit, func() {
		defer close(expired)
		abort()
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	err := cmd.Wait()
	if !timer.Stop() {
		<-expired
		return out.String(), fmt.Errorf("%v: not done after %v: stopped", c.Args, limit)
	}
	if err != nil {
		return out.String(), fmt.Errorf("%v: %w", c.Args, err)
	}
	return out.String(), nil
}

// Within calls fn in this goroutine. If it takes longer than limit, the mount is aborted, which ends fn's system calls
// with an error, and the test tb fails.
func (m *Mount) Within(tb testing.TB, limit time.Duration, fn func()) {
	tb.Helper()
	expired := make(chan struct{})
	timer := time.AfterFunc(limit, func() {
		defer close(expired)
		_ = m.Abort()
	})
	defer func() {
		if !timer.Stop() {
			<-expired
			tb.Errorf("testmount: not done after %v: the mount was aborted", limit)
		}
	}()
	fn()
}

// clip keeps the end of a long output.
func clip(s string) string {
	if len(s) <= logShown {
		return s
	}
	return "[...]\n" + s[len(s)-logShown:]
}
