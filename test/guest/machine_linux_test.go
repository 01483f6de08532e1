package guest

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// guestLimit is for one guest: seconds on an idle machine, minutes on a busy one.
const guestLimit = 5 * time.Minute

// machine says what to boot. The zero value is the current pair with one CPU and one queue.
type machine struct {
	suite   string   // as guest.sh has it
	queues  int      // request queues, and as many CPUs
	files   []string // programs that the checks need
	reboots bool     // the guest goes on after a reset
}

// guest is a running guest.
type guest struct {
	console output
	cmd     *exec.Cmd
	exited  chan struct{}
}

// boot starts a guest that runs checks on the share.
func boot(t *testing.T, s *share, m machine, checks ...string) *guest {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	g := &guest{exited: make(chan struct{})}
	g.cmd = exec.Command("../../scripts/guest.sh", append([]string{"run", s.socket, self, "-test.v"}, checks...)...)
	g.cmd.Env = append(os.Environ(),
		"TMPDIR="+t.TempDir(), // what a killed script leaves
		"GUEST_FILES="+strings.Join(m.files, " "),
		"GUEST_LIMIT="+strconv.Itoa(int(guestLimit.Seconds())))
	if m.suite != "" {
		g.cmd.Env = append(g.cmd.Env, "GUEST_SUITE="+m.suite)
	}
	if m.queues > 0 {
		g.cmd.Env = append(g.cmd.Env, fmt.Sprintf("GUEST_CPUS=%d", m.queues), fmt.Sprintf("GUEST_QUEUES=%d", m.queues))
	}
	if m.reboots {
		g.cmd.Env = append(g.cmd.Env, "GUEST_REBOOTS=1")
	}
	g.cmd.Stdout, g.cmd.Stderr = &g.console, &g.console
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = g.cmd.Wait() // its error is in ProcessState
		close(g.exited)
	}()
	t.Cleanup(func() {
		_ = g.cmd.Process.Signal(syscall.SIGTERM) // a test that failed; the script ends QEMU
		<-g.exited
	})
	return g
}

// wait waits for the end of the guest and fails the test unless the checks passed. It returns what they printed.
func (g *guest) wait(t *testing.T) string {
	t.Helper()
	<-g.exited // guest.sh has a limit
	if !g.cmd.ProcessState.Success() {
		t.Fatalf("guest.sh: %v\n%s", g.cmd.ProcessState, g.console.String())
	}
	t.Logf("the guest printed:\n%s", g.console.String())
	return g.console.String()
}

// kill ends QEMU as SIGKILL does: the server sees its socket closed, and nothing before.
func (g *guest) kill() {
	_ = g.cmd.Process.Kill() // gone already is as good
	<-g.exited
}

func (g *guest) ended() bool {
	select {
	case <-g.exited:
		return true
	default:
		return false
	}
}
