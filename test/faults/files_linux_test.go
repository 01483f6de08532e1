package faults

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

const filesLimit = 2 * time.Minute

// TestBigTreeFewDescriptors: a tree of many more files than descriptors is made, walked and removed.
func TestBigTreeFewDescriptors(t *testing.T) {
	const files = 6000
	src := testmount.Tmpfs(t)
	m := testmount.Start(t, src, testmount.Config{Wrap: []string{"prlimit", "--nofile=1024"}})
	m.Within(t, filesLimit, func() {
		for i := range files {
			dir := filepath.Join(m.Dir, strconv.Itoa(i/100))
			if i%100 == 0 {
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), []byte{byte(i)}, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		err := filepath.WalkDir(m.Dir, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				n++
				_, err = os.ReadFile(path)
			}
			return err
		})
		if err != nil || n != files {
			t.Fatalf("%d files, %v", n, err)
		}
	})
	if n := descriptors(t, m); n > 1000 {
		t.Errorf("the daemon has %d descriptors open", n)
	}
	m.Run(t, testmount.Command{Args: []string{"rm", "-rf", filepath.Join(m.Dir, "1"), filepath.Join(m.Dir, "2")}, Limit: filesLimit})
	m.Stop()
}

func descriptors(t *testing.T, m *testmount.Mount) int {
	t.Helper()
	list, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", m.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// TestDescriptorsRunOut: who opens too much gets ENFILE; others go on; afterwards all is well.
func TestDescriptorsRunOut(t *testing.T) {
	overTransports(t, func(t *testing.T, transport string) {
		src := testmount.Tmpfs(t)
		for i := range 400 {
			if err := os.WriteFile(filepath.Join(src, strconv.Itoa(i)), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m := testmount.Start(t, src, testmount.Config{Transport: transport, Wrap: []string{"prlimit", "--nofile=256"}})
		m.Within(t, filesLimit, func() {
			var open []*os.File
			var last error
			for i := 0; i < 400 && last == nil; i++ {
				f, err := os.Open(filepath.Join(m.Dir, strconv.Itoa(i)))
				if last = err; err == nil {
					open = append(open, f)
				}
			}
			if !errors.Is(last, syscall.ENFILE) || len(open) < 50 {
				t.Errorf("after %d open files: %v", len(open), last)
			}
			if _, err := os.Stat(filepath.Join(m.Dir, "399")); err != nil {
				t.Error("stat while there are no descriptors:", err)
			}
			for _, f := range open {
				f.Close()
			}
			opensAgain(t, filepath.Join(m.Dir, "399"))
		})
		m.Stop()
	})
}

// opensAgain waits a little: RELEASE is asynchronous.
func opensAgain(t *testing.T, path string) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var f *os.File
		if f, err = os.Open(path); err == nil {
			f.Close()
			return
		}
	}
	t.Error("open after all was closed:", err)
}
