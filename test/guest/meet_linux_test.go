package guest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// rounds is how often each guest counts up.
const rounds = 25

// meet is what two guests do on one share at the same time: they see each other's files, and their locks exclude each other.
func meet(t *testing.T, dir, me, other string) {
	say := func(what string) {
		if err := os.WriteFile(filepath.Join(dir, me+"."+what), []byte(me), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	hear := func(what string) {
		path := filepath.Join(dir, other+"."+what)
		within(t, guestLimit, "no "+what+" from "+other, func() bool {
			got, err := os.ReadFile(path)
			return err == nil && string(got) == other
		})
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	say("hello")
	hear("hello")
	if me == "ann" {
		lock(t, f, unix.F_SETLK, unix.F_WRLCK)
		say("locked")
		hear("refused")
		lock(t, f, unix.F_SETLK, unix.F_UNLCK)
	} else {
		hear("locked")
		if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); !errors.Is(err, unix.EAGAIN) {
			t.Errorf("a lock that the other guest has: %v, want EAGAIN", err)
		}
		say("refused")
	}
	for range rounds {
		lock(t, f, unix.F_SETLKW, unix.F_WRLCK)
		count(t, filepath.Join(dir, "counter"))
		lock(t, f, unix.F_SETLK, unix.F_UNLCK)
	}
	say("done")
	hear("done")
}

func lock(t *testing.T, f *os.File, cmd int, kind int16) {
	t.Helper()
	if err := unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: kind}); err != nil {
		t.Fatalf("lock %s: %v", f.Name(), err)
	}
}

// count adds one to the number in the file.
func count(t *testing.T, path string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	if len(text) > 0 {
		if n, err = strconv.Atoi(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.WriteAt([]byte(fmt.Sprintf("%08d", n+1)), 0); err != nil {
		t.Fatal(err)
	}
}
