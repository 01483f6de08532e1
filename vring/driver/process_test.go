//go:build linux

package driver

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/vfs/memfs"
	"github.com/fastfsd/fastfsd/vring"
)

// serveEnv holds a role in JSON: the test binary then plays it instead of testing. Devices and bridges are processes of their own: a
// test that hung in a mount of its own process could not be killed, and a device can be killed only if it is one.
const serveEnv = "FASTFSD_TEST_SERVE"

// processLimit bounds what a test waits for a process.
const processLimit = time.Minute

// role is what a process does: serve memfs on Socket, or bridge Socket to Dir. Lie: a device of its own that answers wrongly.
// Lock: wait for a lock of that file.
type role struct {
	Socket string
	Lock   string
	Dir    string
	Config Config
	Bridge BridgeConfig
	Lie    bool
}

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		var r role
		err := json.Unmarshal([]byte(what), &r)
		if err == nil {
			err = r.play()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (r *role) play() error {
	switch {
	case r.Dir != "":
		return r.bridge()
	case r.Lock != "":
		return r.lock()
	}
	return r.device()
}

func (r *role) device() error {
	e, err := engine.New(engine.Config{})
	if err == nil {
		err = e.Start()
	}
	if err != nil {
		return err
	}
	fs := func() (any, error) {
		fs := memfs.New(memfs.Options{})
		fs.SetRoot(0, 0, 0o755)
		return fs, nil
	}
	d, err := vring.New(e, fs, vring.Options{})
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", r.Socket)
	if err != nil {
		return err
	}
	end := terminated()
	fmt.Println("ready")
	go func() {
		<-end
		l.Close()
	}()
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			d.Close()
			return e.Close()
		}
		if err != nil {
			return err
		}
		go func() {
			if err := d.Serve(conn.(*net.UnixConn)); err != nil && !errors.Is(err, net.ErrClosed) {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
}

func (r *role) lock() error {
	fd, err := unix.Open(r.Lock, unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	return unix.Flock(fd, unix.LOCK_EX)
}

// terminated gets SIGTERM. It must be asked for before the process says that it is ready.
func terminated() chan os.Signal {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	return c
}

func (r *role) bridge() error {
	d, err := r.dial()
	if err != nil {
		return err
	}
	b, err := Bridge(d, r.Dir, r.Bridge)
	if err != nil {
		return errors.Join(err, d.Close())
	}
	end := terminated()
	fmt.Println("ready", b.Device())
	go func() {
		<-end
		b.Close()
	}()
	return errors.Join(b.Wait(), d.Close())
}

func (r *role) dial() (*Driver, error) {
	if r.Lie {
		return liar(r.Config)
	}
	return Dial(r.Socket, r.Config)
}

// process is a role that is played.
type process struct {
	t      testing.TB
	cmd    *exec.Cmd
	minor  string // of a bridge's mount
	stderr bytes.Buffer
	once   sync.Once
	err    error
}

// play starts a role and returns when it is ready. The end of the test ends it; one that fails then fails the test, unless end was
// called before.
func play(t testing.TB, r role) *process {
	t.Helper()
	what, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command("/proc/self/exe")}
	p.cmd.Env = append(os.Environ(), serveEnv+"="+string(what))
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		s, _ := bufio.NewReader(out).ReadString('\n')
		line <- s
		io.Copy(io.Discard, out)
	}()
	t.Cleanup(func() {
		if err := p.end(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	select {
	case s := <-line:
		if f := strings.Fields(s); len(f) > 1 {
			p.minor = f[1]
		}
		if !strings.HasPrefix(s, "ready") {
			t.Fatalf("the process is not ready: %v", p.end(syscall.SIGTERM))
		}
	case <-time.After(processLimit):
		t.Fatal("the process is not ready")
	}
	return p
}

// end sends a signal, waits and says how the process ended. A mount that keeps it is aborted.
func (p *process) end(sig syscall.Signal) error {
	p.once.Do(func() {
		p.cmd.Process.Signal(sig)
		late := time.AfterFunc(processLimit, func() {
			p.abort()
			p.cmd.Process.Kill()
		})
		defer late.Stop()
		if err := p.cmd.Wait(); err != nil {
			p.err = fmt.Errorf("%w: %s", err, p.stderr.String())
		}
	})
	return p.err
}

// fails ends a process that has to end with an error.
func (p *process) fails(sig syscall.Signal, text string) {
	p.t.Helper()
	if err := p.end(sig); err == nil || !strings.Contains(err.Error(), text) {
		p.t.Errorf("ended with %v, want %q", err, text)
	}
	p.err = nil
}

// abort ends the mount's connection, whoever hangs in it.
func (p *process) abort() {
	if p.minor != "" {
		os.WriteFile("/sys/fs/fuse/connections/"+p.minor+"/abort", []byte("1"), 0)
	}
}

// deviceTest serves memfs on a socket.
func deviceTest(t testing.TB) (*process, string) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "socket")
	return play(t, role{Socket: socket}), socket
}

// bridgeTest mounts r's device on a new directory. Whatever hangs there is cut off after a while.
func bridgeTest(t testing.TB, r role) (*process, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "driver-bridge-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(dir, unix.MNT_DETACH)
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	r.Dir = dir
	p := play(t, r)
	watchdog := time.AfterFunc(2*processLimit, func() {
		t.Errorf("aborted after %v", 2*processLimit)
		p.abort()
	})
	t.Cleanup(func() { watchdog.Stop() })
	return p, dir
}

// playTB is a testing.TB for a fake device in a process that plays a role.
type playTB struct{ testing.TB }

func (playTB) Helper()                   {}
func (playTB) Cleanup(func())            {}
func (playTB) Fatal(a ...any)            { panic(fmt.Sprint(a...)) }
func (playTB) Fatalf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }
func (playTB) Errorf(f string, a ...any) { panic(fmt.Sprintf(f, a...)) }

// liar is a device that answers INIT and GETATTR of the root, and every LOOKUP with half an entry.
func liar(c Config) (*Driver, error) {
	b := goodBackend()
	d, err := New(b.start(playTB{}), c)
	if err != nil {
		return nil, err
	}
	serveQueue(playTB{}, b, d, 1, func(h abi.InHeader, _ []byte) ([]byte, int) {
		switch h.Opcode {
		case abi.OpInit:
			out := abi.InitOut{Major: abi.KernelVersion, Minor: abi.KernelMinor, MaxWrite: 1 << 16}
			return good(h, abi.Bytes(&out)), -1
		case abi.OpGetattr:
			a := abi.AttrOut{Attr: abi.Attr{Ino: 1, Mode: unix.S_IFDIR | 0o755, Nlink: 2}}
			return good(h, abi.Bytes(&a)), -1
		case abi.OpLookup:
			return good(h, make([]byte, entrySize)), abi.OutHeaderSize + entrySize/2
		}
		return good(h, nil), -1
	})
	return d, nil
}
