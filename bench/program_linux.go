package bench

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// Time limits, generous: they only end what hangs.
const (
	startLimit = 30 * time.Second
	stopLimit  = 20 * time.Second
	pollEvery  = 2 * time.Millisecond
)

// server is a program with its mount.
type server struct {
	name  string
	dir   string // mount point, made and removed by us
	minor int    // of its st_dev: the connection's name below /sys/fs/fuse/connections
	cmd   *exec.Cmd
	out   bytes.Buffer // what it prints; read after it has ended
	ended chan struct{}
}

// startServer starts one of the servers that rows name and waits for its mount.
func (o *Options) startServer(name, src string) (*server, error) {
	dir, err := os.MkdirTemp("", "fsbench-mnt-")
	if err != nil {
		return nil, err
	}
	s := &server{name: name, dir: dir, ended: make(chan struct{})}
	if s.cmd, err = o.command(name, src, dir); err == nil {
		s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
		s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
		err = s.cmd.Start()
	}
	if err != nil {
		os.Remove(dir)
		return nil, fmt.Errorf("server %s: %w", name, err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.ended)
	}()
	if err := s.waitMounted(); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// command is the command line of a server: "fastfsd:classic" is the daemon with --transport classic.
func (o *Options) command(name, src, dir string) (*exec.Cmd, error) {
	base, transport, _ := strings.Cut(name, ":")
	if transport == "" {
		transport = "auto"
	}
	switch base {
	case Ours:
		return exec.Command(o.Daemon, "mount", src, dir, "--transport", transport, "--log-level", "warn"), nil
	case Gofuse:
		if o.Gofuse == "" {
			return nil, errors.New("where is it? (-go-fuse)")
		}
		return exec.Command(o.Gofuse, src, dir), nil
	case Slow:
		cmd := exec.Command("/proc/self/exe", dir, transport)
		cmd.Env = append(os.Environ(), RoleEnv+"="+roleSlow)
		return cmd, nil
	}
	return nil, errors.New("no such server")
}

func (s *server) waitMounted() error {
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); time.Sleep(pollEvery) {
		if info := findMount(s.dir); info != nil {
			s.minor = info.Minor
			return s.firstLook()
		}
		select {
		case <-s.ended:
			return fmt.Errorf("server %s: ended before it had mounted: %v: %s", s.name, s.cmd.ProcessState, s.out.Bytes())
		default:
		}
	}
	return fmt.Errorf("server %s: not mounted after %v", s.name, startLimit)
}

// firstLook waits until the server answers: it is in the mount table before INIT is over.
func (s *server) firstLook() error {
	timer := time.AfterFunc(startLimit, s.abort)
	defer timer.Stop()
	var st unix.Stat_t
	if err := unix.Stat(s.dir, &st); err != nil {
		return fmt.Errorf("server %s: stat %s: %w", s.name, s.dir, err)
	}
	return nil
}

// findMount never touches the mount itself.
func findMount(dir string) *mountinfo.Info {
	infos, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return i.Mountpoint != dir || !strings.HasPrefix(i.FSType, "fuse"), false
	})
	if err != nil || len(infos) == 0 {
		return nil
	}
	return infos[len(infos)-1]
}

// abort ends the connection in the kernel, whatever the server does.
func (s *server) abort() {
	if s.minor != 0 { // of a connection that has gone it fails, which is fine
		_ = os.WriteFile(filepath.Join("/sys/fs/fuse/connections", strconv.Itoa(s.minor), "abort"), []byte("1"), 0)
	}
}

// stop ends the server and its mount at any price; the error says that it did not go by itself.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(unix.SIGTERM)
	var err error
	select {
	case <-s.ended:
		if !s.cmd.ProcessState.Success() {
			err = fmt.Errorf("server %s: %v: %s", s.name, s.cmd.ProcessState, s.out.Bytes())
		}
	case <-time.After(stopLimit):
		err = fmt.Errorf("server %s: still running %v after SIGTERM: killed", s.name, stopLimit)
		s.abort()
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
	if findMount(s.dir) != nil {
		s.abort()
		err = errors.Join(err, unix.Unmount(s.dir, unix.MNT_DETACH))
	}
	return errors.Join(err, os.Remove(s.dir))
}

// cpu is the time that the server's threads have run so far.
func (s *server) cpu() time.Duration {
	var sum time.Duration
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", s.cmd.Process.Pid))
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		run, _, _ := strings.Cut(string(b), " ")
		ns, _ := strconv.ParseInt(run, 10, 64)
		sum += time.Duration(ns)
	}
	return sum
}

// stopAll stops servers side by side.
func stopAll(all []*server) error {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		wg.Go(func() { errs[i] = s.stop() })
	}
	wg.Wait()
	return errors.Join(errs...)
}
