package faults

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/engine"
	"github.com/fastfsd/fastfsd/fusedev"
	"github.com/fastfsd/fastfsd/passthrough"
)

// serveManyEnv names the directory to serve and the one to mount in: the test binary then is a server that does what it is told on
// stdin, a line each, and answers with its usage as a line of JSON.
//
//	mount N            mounts on 0, 1, ... until there are N mounts
//	cycle TRANSPORT N  mounts, reads a file and unmounts, N times
const serveManyEnv = "FASTFSD_TEST_SERVE_MANY"

// usage is what a process holds.
type usage struct {
	Threads, FDs, Goroutines, Maps int
	ResidentKiB, VirtualKiB        int
	Err                            string `json:",omitempty"`
}

// manyServer is the process.
type manyServer struct {
	src, dir string
	engine   *engine.Engine
	mounts   []*fusedev.Server
}

func serveMany(dirs []string) error {
	m := &manyServer{src: dirs[0], dir: dirs[1]}
	var err error
	if m.engine, err = engine.New(engine.Config{}); err != nil {
		return err
	}
	if err := m.engine.Start(); err != nil {
		return err
	}
	spareThreads()
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(measure()); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		err := m.do(strings.Fields(in.Text()))
		u := measure()
		if err != nil {
			u.Err = err.Error()
		}
		if err := out.Encode(u); err != nil {
			return err
		}
	}
	var errs error
	for _, s := range m.mounts {
		errs = errors.Join(errs, s.Close())
	}
	return errors.Join(errs, m.engine.Close())
}

// spareThreads has the runtime make the threads that it may ever want for goroutines, so that those made later are mounts'.
func spareThreads() {
	n := runtime.GOMAXPROCS(0) + 8
	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		panic(err)
	}
	done := make(chan bool, n)
	for range n {
		go func() {
			_, _ = unix.Read(pipe[0], make([]byte, 1)) // until the other end is closed
			done <- true
		}()
	}
	for threads() < n {
		time.Sleep(time.Millisecond)
	}
	unix.Close(pipe[1])
	for range n {
		<-done
	}
	unix.Close(pipe[0])
}

func (m *manyServer) do(words []string) error {
	switch {
	case len(words) == 2 && words[0] == "mount":
		n, err := strconv.Atoi(words[1])
		for i := len(m.mounts); i < n && err == nil; i++ {
			var s *fusedev.Server
			if s, err = m.mount(filepath.Join(m.dir, strconv.Itoa(i)), fusedev.Auto); err == nil {
				m.mounts = append(m.mounts, s)
			}
		}
		return err
	case len(words) == 3 && words[0] == "cycle":
		var kind fusedev.Transport
		n, err := strconv.Atoi(words[2])
		if err := errors.Join(err, kind.UnmarshalText([]byte(words[1]))); err != nil {
			return err
		}
		for i := range n {
			if err := m.cycle(kind); err != nil {
				return fmt.Errorf("%v mount %d: %w", kind, i, err)
			}
		}
		return nil
	}
	return fmt.Errorf("unknown command %q", words)
}

func (m *manyServer) mount(dir string, kind fusedev.Transport) (*fusedev.Server, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	fs, err := passthrough.New(m.src, passthrough.Defaults())
	if err != nil {
		return nil, err
	}
	o := fusedev.Defaults()
	o.Transport = kind
	o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return fusedev.Mount(m.engine, fs, dir, o)
}

// cycle mounts, reads a file whole and unmounts.
func (m *manyServer) cycle(kind fusedev.Transport) error {
	dir := filepath.Join(m.dir, "cycle")
	s, err := m.mount(dir, kind)
	if err != nil {
		return err
	}
	return errors.Join(readBig(filepath.Join(dir, bigFile)), s.Close(), os.Remove(dir))
}

const (
	bigFile = "big"
	bigSize = 1 << 20 // the payload of the largest request: a READ of it leaves no page of an entry untouched
)

// readBig reads with raw system calls, for which the runtime gives its processor away.
func readBig(path string) error {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	n, err := unix.Pread(fd, bigBuf, 0)
	if err == nil && n != bigSize {
		err = io.ErrUnexpectedEOF
	}
	return errors.Join(err, unix.Close(fd))
}

var bigBuf = make([]byte, bigSize)

// measure is the usage once all that ends in the background has ended.
func measure() usage {
	debug.FreeOSMemory() // a collection and what it frees given back
	u := usage{Threads: threads(), Goroutines: runtime.NumGoroutine()}
	u.FDs = entries("/proc/self/fd") - 1 // one is open to read the list
	maps, _ := os.ReadFile("/proc/self/maps")
	u.Maps = strings.Count(string(maps), "\n")
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &u.ResidentKiB)
		_, _ = fmt.Sscanf(line, "VmSize: %d kB", &u.VirtualKiB)
	}
	return u
}

func threads() int { return entries("/proc/self/task") }

func entries(dir string) int {
	list, err := os.ReadDir(dir)
	if err != nil {
		return -1
	}
	return len(list)
}
