package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

const (
	killWriters = 4
	killLimit   = 30 * time.Second
)

// TestKillUnderLoad: clients of a killed daemon get an error at once, the mount can be removed and made again, and every file that
// was complete before is complete after.
func TestKillUnderLoad(t *testing.T) {
	overTransports(t, func(t *testing.T, transport string) {
		src := testmount.Tmpfs(t)
		m := testmount.Start(t, src, testmount.Config{Transport: transport})
		var done [killWriters]atomic.Int64
		errs := make(chan error, killWriters)
		var wg sync.WaitGroup
		for w := range killWriters {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := int64(0); ; i++ {
					if err := os.WriteFile(filepath.Join(m.Dir, fileName(w, i)), content(w, i), 0o600); err != nil {
						errs <- err
						return
					}
					done[w].Store(i + 1)
				}
			}()
		}
		deadline := time.Now().Add(killLimit)
		for done[0].Load() < 50 && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond)
		}
		m.Kill()
		m.Within(t, killLimit, wg.Wait)
		close(errs)
		for err := range errs {
			if !errors.Is(err, syscall.ENOTCONN) && !errors.Is(err, syscall.ECONNABORTED) && !errors.Is(err, syscall.EIO) && !errors.Is(err, syscall.ECANCELED) { // the last is a ring's, whose process is gone
				t.Errorf("a writer got %v", err)
			}
		}
		if _, err := os.Stat(filepath.Join(m.Dir, "new")); !errors.Is(err, syscall.ENOTCONN) {
			t.Errorf("stat of the dead mount: %v", err)
		}
		m.Unmount()
		again := testmount.Start(t, src, testmount.Config{Transport: transport})
		checkFiles(t, again, &done)
		again.Stop()
	})
}

func checkFiles(t *testing.T, m *testmount.Mount, done *[killWriters]atomic.Int64) {
	t.Helper()
	m.Within(t, killLimit, func() {
		for w := range done {
			if done[w].Load() == 0 {
				t.Errorf("writer %d wrote nothing", w)
			}
			for i := range done[w].Load() {
				got, err := os.ReadFile(filepath.Join(m.Dir, fileName(w, i)))
				if err != nil || !bytes.Equal(got, content(w, i)) {
					t.Fatalf("%s: %d bytes, %v", fileName(w, i), len(got), err)
				}
			}
		}
	})
}

func fileName(w int, i int64) string { return fmt.Sprintf("w%d-%d", w, i) }

func content(w int, i int64) []byte {
	return bytes.Repeat([]byte(fileName(w, i)), 1+int(i)%300)
}
