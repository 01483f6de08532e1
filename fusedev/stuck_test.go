//go:build linux

package fusedev

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestStuckBackend(t *testing.T) {
	every(t, func(t *testing.T, kind Transport) {
		fs := &testFS{hang: make(chan struct{})}
		o := options(kind)
		o.DrainTimeout = 100 * time.Millisecond
		s := serveTest(t, fs, o)
		fd, err := unix.Open(filepath.Join(s.Dir(), "hang"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		read := make(chan error, 1)
		go func() {
			_, err := unix.Read(fd, make([]byte, 10))
			read <- err
		}()
		for fs.hanging.Load() == 0 { // not InFlight: that may be an OPEN still
			time.Sleep(time.Millisecond)
		}
		if err := s.Abort(); err != nil {
			t.Fatal(err)
		}
		if err := within(t, "the client's read", func() error { return <-read }); err == nil {
			t.Error("the client's read was answered")
		}
		unix.Close(fd)
		if err := within(t, "wait", s.Wait); !errors.Is(err, ErrStuck) {
			t.Errorf("wait: %v", err)
		}
		close(fs.hang)
		for s.conn.InFlight() != 0 {
			time.Sleep(time.Millisecond)
		}
	})
}
