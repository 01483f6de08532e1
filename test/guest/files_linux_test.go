package guest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func fileName(i int) string { return fmt.Sprintf("file%d", i) }

func content(i int) []byte { return bytes.Repeat([]byte(fileName(i)+" "), 1+i*100) }

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// write makes files that get their name when they are complete.
func write(dir string, stop func(i int) bool) error {
	tmp := filepath.Join(dir, "incomplete")
	for i := 0; !stop(i); i++ {
		if err := os.WriteFile(tmp, content(i), 0o600); err != nil {
			return err
		}
		if err := os.Rename(tmp, filepath.Join(dir, fileName(i))); err != nil {
			return err
		}
	}
	return nil
}

// writeForever writes until the guest is killed.
func writeForever(t *testing.T, dir string) {
	t.Fatal(write(dir, func(int) bool { return false }))
}

// resetOnce resets the guest while it writes, the first time that it is called.
func resetOnce(t *testing.T, dir string) {
	if exists(dir, fileName(0)) {
		return
	}
	go func() {
		for !exists(dir, fileName(50)) {
			time.Sleep(pollEvery)
		}
		// at once, as the button does; no device is shut down
		t.Error(os.WriteFile("/proc/sysrq-trigger", []byte("b"), 0))
	}()
	writeForever(t, dir)
}

// filesComplete: every file that has its name has its content, and the share can be written.
func filesComplete(t *testing.T, dir string) {
	n := 0
	for exists(dir, fileName(n)) {
		if got, err := os.ReadFile(filepath.Join(dir, fileName(n))); err != nil || !bytes.Equal(got, content(n)) {
			t.Fatalf("%s: %d bytes, %v, want %d", fileName(n), len(got), err, len(content(n)))
		}
		n++
	}
	if n <= 50 {
		t.Errorf("%d files, want more than 50", n)
	}
	if err := write(dir, func(i int) bool { return i == n }); err != nil {
		t.Error(err)
	}
}
