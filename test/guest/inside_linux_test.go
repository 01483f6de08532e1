package guest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs/vfstest"
)

func conformance(t *testing.T, dir string) {
	vfstest.Run(t, vfstest.Config{
		Mount:        func(testing.TB) string { return dir },
		NoInterrupt:  true,
		NoSuppGroups: !kernelHas(t, 6, 3),
	})
}

// pjdfstestInside runs the POSIX suite, with a tmpfs as the second file system. Its output is judged outside.
func pjdfstestInside(t *testing.T, dir string) {
	c := exec.Command("pjdfstest", "-c", "/guest/pjdfstest.toml", "-p", dir, "-s", "/tmp")
	c.Env = append(os.Environ(), "NO_COLOR=1")
	c.Stdout, c.Stderr = os.Stdout, os.Stdout
	if err := c.Run(); err != nil {
		t.Error(err)
	}
}

// queues makes files on each CPU and looks which queues interrupt: with as many queues as CPUs, all do. Before Linux 6.11
// the first carries everything.
func queues(t *testing.T, dir string) {
	before := interrupts(t)
	if len(before) != runtime.NumCPU() {
		t.Fatalf("%d request queues on %d CPUs", len(before), runtime.NumCPU())
	}
	for cpu := range runtime.NumCPU() {
		onCPU(t, cpu, func() {
			for i := range 50 {
				path := filepath.Join(dir, fmt.Sprintf("cpu%d-%d", cpu, i))
				if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	after := interrupts(t)
	for q := range after {
		n, used := after[q]-before[q], q == 0 || kernelHas(t, 6, 11)
		if (n > 0) != used {
			t.Errorf("request queue %d: %d interrupts; used: want %v", q, n, used)
		}
	}
}

// interrupts returns each request queue's count of interrupts.
func interrupts(t *testing.T) []int {
	t.Helper()
	data, err := os.ReadFile("/proc/interrupts")
	if err != nil {
		t.Fatal(err)
	}
	var counts []int
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) == 0 || !strings.Contains(f[len(f)-1], "-requests.") {
			continue
		}
		sum := 0
		for _, word := range f[1:] { // a count for each CPU, then words
			n, err := strconv.Atoi(word)
			if err != nil {
				break
			}
			sum += n
		}
		counts = append(counts, sum)
	}
	return counts
}

// onCPU calls fn in a thread that runs on that CPU alone.
func onCPU(t *testing.T, cpu int, fn func()) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var old, one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		t.Fatal(err)
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.SchedSetaffinity(0, &old) }()
	fn()
}

// kernelHas reports whether this kernel is as new as that version.
func kernelHas(t *testing.T, wantMajor, wantMinor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor); err != nil {
		t.Fatal(err)
	}
	return major > wantMajor || major == wantMajor && minor >= wantMinor
}
