package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/internal/testmount"
	"github.com/fastfsd/fastfsd/passthrough"
)

// useOwnEnv has the test binary use a mount that it serves itself; helloEnv has it greet.
const (
	useOwnEnv    = "FASTFSD_TEST_USE_OWN"
	transportEnv = "FASTFSD_TEST_TRANSPORT"
	helloEnv     = "FASTFSD_TEST_HELLO"
)

const (
	ownLimit = 2 * time.Minute
	ownUsers = 8 // goroutines
	greeting = "hello from the mount"
)

// TestUseOwnMount: a process that was started with GOMAXPROCS=1 opens, reads, lists, writes, maps and executes files of a mount that it
// serves itself.
func TestUseOwnMount(t *testing.T) {
	overTransports(t, func(t *testing.T, transport string) {
		src := testmount.Tmpfs(t)
		program, err := os.ReadFile("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		for name, mode := range map[string]os.FileMode{"program": 0o755, "data": 0o644, "pages": 0o644} {
			if err := os.WriteFile(filepath.Join(src, name), program, mode); err != nil {
				t.Fatal(err)
			}
		}
		c := newChild(t, useOwnEnv, src, "GOMAXPROCS=1", transportEnv+"="+transport)
		c.start(t)
		c.wait(t, ownLimit)
		if left := c.mounts(); len(left) > 0 {
			t.Errorf("%s stayed", left[0].Mountpoint)
		}
	})
}

func hello([]string) error {
	_, err := fmt.Print(greeting)
	return err
}

// useOwn is the process.
func useOwn(dirs []string) error {
	src, dir := dirs[0], dirs[1]
	want, err := os.ReadFile(filepath.Join(src, "data"))
	if err != nil {
		return err
	}
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	if err := e.Start(); err != nil {
		return err
	}
	fs, err := passthrough.New(src, passthrough.Defaults())
	if err != nil {
		return err
	}
	o := fusedev.Defaults()
	if err := o.Transport.UnmarshalText([]byte(os.Getenv(transportEnv))); err != nil {
		return err
	}
	s, err := fusedev.Mount(e, fs, dir, o)
	if err != nil {
		return err
	}
	err = errors.Join(ownCalls(dir, want), ownPages(dir, want))
	return errors.Join(err, s.Close(), e.Close())
}

// ownCalls uses system calls: they need no second processor, and go on after the world was stopped.
func ownCalls(dir string, want []byte) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var over atomic.Bool
	var collector sync.WaitGroup
	collector.Go(func() {
		for !over.Load() {
			runtime.GC()
		}
	})
	defer collector.Wait()
	defer over.Store(true)
	return together(func(i int) error {
		name, part := filepath.Join(dir, fmt.Sprint("new", i)), want[:i<<16]
		err := os.WriteFile(name, part, 0o600)
		return errors.Join(err, same(name, part), same(filepath.Join(dir, "data"), want), listed(name), os.Remove(name))
	})
}

// ownPages has the kernel fetch pages while a thread keeps its processor: in a page fault, and in os/exec until the program runs. The
// other processors serve it. What would stop the world, or change the address space, is left out: it would wait for the thread.
func ownPages(dir string, want []byte) error {
	debug.SetGCPercent(-1)
	runtime.GC() // returns when none is under way
	return errors.Join(mapped(filepath.Join(dir, "pages"), want), executed(filepath.Join(dir, "program")))
}

// together runs f in ownUsers goroutines.
func together(f func(i int) error) error {
	errs := make([]error, ownUsers)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func same(name string, want []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s: read %d bytes, not the %d that it holds", name, len(got), len(want))
	}
	return err
}

func listed(name string) error {
	list, err := os.ReadDir(filepath.Dir(name))
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Name() == filepath.Base(name) {
			return nil
		}
	}
	return fmt.Errorf("%s: not listed", name)
}

// mapped compares a file page by page with what it holds.
func mapped(name string, want []byte) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return fmt.Errorf("%s: mmap: %w", name, err)
	}
	defer unix.Munmap(m)
	if err := unix.Madvise(m, unix.MADV_RANDOM); err != nil { // no read-ahead: each page is asked for
		return fmt.Errorf("%s: madvise: %w", name, err)
	}
	page := os.Getpagesize()
	for at := 0; at < len(want); at += page {
		end := min(at+page, len(want))
		if !bytes.Equal(m[at:end], want[at:end]) {
			return fmt.Errorf("%s: the page at %d is another one", name, at)
		}
	}
	return nil
}

func executed(name string) error {
	c := exec.Command(name)
	c.Env = append(os.Environ(), helloEnv+"=1")
	for i, v := range c.Env {
		if strings.HasPrefix(v, useOwnEnv+"=") {
			c.Env[i] = useOwnEnv + "="
		}
	}
	out, err := c.CombinedOutput()
	if err == nil && string(out) != greeting {
		err = errors.New("another output")
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %q", name, err, out)
	}
	return nil
}
