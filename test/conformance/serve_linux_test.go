package conformance

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/internal/testmount"
	"github.com/fastfsd/fastfsd/passthrough"
	"github.com/fastfsd/fastfsd/vfs/iofs"
	"github.com/fastfsd/fastfsd/vfs/memfs"
	"github.com/fastfsd/fastfsd/vfs/nodefs"
	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

// serveEnv names a back-end, a transport and a mount point: the test binary then serves instead of testing, for a client that
// hangs in a mount of its own process could not be killed.
const serveEnv = "FASTFSD_TEST_SERVE"

const (
	startLimit = 30 * time.Second
	suiteLimit = 4 * time.Minute
)

// backends are what can be served; some want an argument.
var backends = map[string]func(args []string) any{
	"slow":    func([]string) any { return slowMemfs() },
	"turning": func([]string) any { return turningMemfs() },
	"mute":    func([]string) any { return muteMemfs() },
	"iofs":    func([]string) any { return iofs.New(vfstest.Tree()) },
	"nodefs":  func([]string) any { return nodefs.New(nodefs.NewDir(), nodefs.Options{TTL: time.Second}) },
	"memfs": func([]string) any {
		fs := memfs.New(memfs.Options{})
		fs.SetRoot(0, 0, 0o755)
		return fs
	},
	"passthrough": func(args []string) any {
		unix.Umask(0)
		fs, err := passthrough.New(args[0], passthrough.Defaults())
		if err != nil {
			panic(err)
		}
		return fs
	},
}

// served are options of the mount that may stand among the arguments.
var served = map[string]func(*fusedev.Options){
	"writeback":   func(o *fusedev.Options) { o.VFS.Writeback = true },
	"linkcache":   func(*fusedev.Options) {},
	"nolinkcache": func(o *fusedev.Options) { o.VFS.NoLinkCache = true },
	"timeout":     func(o *fusedev.Options) { o.VFS.RequestTimeout, o.VFS.LocalLocks = 1, true },
}

func TestMain(m *testing.M) {
	if what := os.Getenv(serveEnv); what != "" {
		if err := serve(strings.Fields(what)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	testmount.Main(m)
}

// serve mounts, says so on stdout, and unmounts on SIGTERM.
func serve(args []string) error {
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	defer e.Close()
	backend := func() any { return backends[args[0]](args[3:]) }
	if strings.HasPrefix(args[1], "vhost") {
		return serveGuest(e, backend, args[1], args[2])
	}
	o := fusedev.Defaults()
	o.AllowOther, o.DefaultPermissions = true, true
	o.VFS.Poison = true
	for _, name := range args[3:] {
		if option := served[name]; option != nil {
			option(&o)
		}
	}
	if err := o.Transport.UnmarshalText([]byte(args[1])); err != nil {
		return err
	}
	s, err := fusedev.Mount(e, backend(), args[2], o)
	if err != nil {
		return err
	}
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGTERM)
	fmt.Println("mounted", s.Device())
	go func() {
		<-c
		if err := s.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	if err = s.Wait(); args[0] == "mute" && errors.Is(err, fusedev.ErrAborted) {
		return nil // by the kernel, as it was asked to
	}
	return err
}

// start serves a back-end in a process of its own and returns the mount point. The end of the test stops it; one that hangs is
// aborted.
func start(t *testing.T, backend, transport string, args ...string) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "conformance-")
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), serveEnv+"="+strings.Join(append([]string{backend, transport, dir}, args...), " "))
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	minor := make(chan int, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(line, "mounted ")))
		minor <- n
	}()
	var dev int
	select {
	case dev = <-minor:
	case <-time.After(startLimit):
	}
	abort := func() { _ = os.WriteFile(fmt.Sprintf("/sys/fs/fuse/connections/%d/abort", dev), []byte("1"), 0) }
	watchdog := time.AfterFunc(suiteLimit, func() {
		t.Errorf("%s over %s: aborted after %v", backend, transport, suiteLimit)
		abort()
	})
	t.Cleanup(func() {
		watchdog.Stop()
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(startLimit, func() { abort(); _ = c.Process.Kill() })
		defer late.Stop()
		if err := c.Wait(); err != nil {
			t.Errorf("%s over %s: the server ended with %v", backend, transport, err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	if dev == 0 {
		t.Fatalf("%s over %s was not mounted", backend, transport)
	}
	return dir
}

// TestMemfs: the file system in memory, over every transport.
func TestMemfs(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			vfstest.Run(t, vfstest.Config{Mount: func(testing.TB) string { return start(t, "memfs", transport) }})
		})
	}
}

// TestNodefs: the tree of Go objects, which has no holes, reservations or nameless files.
func TestNodefs(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			vfstest.Run(t, vfstest.Config{Mount: func(testing.TB) string { return start(t, "nodefs", transport) }, NoHoles: true, NoFallocate: true, NoTmpfile: true})
		})
	}
}

// TestIofs: an io/fs.FS, read-only.
func TestIofs(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			vfstest.Run(t, vfstest.Config{ReadOnly: true, Mount: func(testing.TB) string { return start(t, "iofs", transport) }})
		})
	}
}
