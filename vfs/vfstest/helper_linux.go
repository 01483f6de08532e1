package vfstest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// helperEnv makes the test binary one of the helpers below, which are other processes to a file system: locks have owners, and
// callers have users and groups. Its arguments are the helper's name and what that wants.
const helperEnv = "VFSTEST_HELPER"

var helpers = map[string]func(args []string) error{"lock": lockHelper, "make": makeHelper}

// init runs the helper before anything of the program that imports this package.
func init() {
	if os.Getenv(helperEnv) == "" {
		return
	}
	if err := helpers[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// helper returns a helper to start. The path works for every user, whatever folder the program lies in.
func helper(args ...string) *exec.Cmd {
	c := exec.Command("/proc/self/exe", args...)
	c.Env = append(os.Environ(), helperEnv+"=1")
	return c
}

// lockHelper locks the file args[0] as the lines on stdin say: "lock START LENGTH" (which waits), "try", "tryread", "unlock",
// "flock", "tryflock", "unflock". It answers each with "ok" or the errno's name.
func lockHelper(args []string) error {
	f, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	posix := func(cmd int, kind int16) func(start, n int64) error {
		return func(start, n int64) error {
			return unix.FcntlFlock(f.Fd(), cmd, &unix.Flock_t{Type: kind, Start: start, Len: n})
		}
	}
	flock := func(how int) func(start, n int64) error {
		return func(_, _ int64) error { return unix.Flock(int(f.Fd()), how) }
	}
	calls := map[string]func(start, n int64) error{
		"lock":     posix(unix.F_SETLKW, unix.F_WRLCK),
		"try":      posix(unix.F_SETLK, unix.F_WRLCK),
		"tryread":  posix(unix.F_SETLK, unix.F_RDLCK),
		"unlock":   posix(unix.F_SETLK, unix.F_UNLCK),
		"flock":    flock(unix.LOCK_EX),
		"tryflock": flock(unix.LOCK_EX | unix.LOCK_NB),
		"unflock":  flock(unix.LOCK_UN),
	}
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		words := strings.Fields(s.Text())
		var nums [2]int64
		for i, w := range words[1:] {
			if nums[i], err = strconv.ParseInt(w, 10, 64); err != nil {
				return err
			}
		}
		err := unix.EINTR
		for err == unix.EINTR { // the Go runtime's own signals
			err, _ = calls[words[0]](nums[0], nums[1]).(unix.Errno)
		}
		if err == 0 {
			fmt.Println("ok")
		} else {
			fmt.Println(unix.ErrnoName(err))
		}
	}
	return nil
}

// makeHelper makes things of all kinds in the directory args[0], with mode 02775 as far as it has a say.
func makeHelper(args []string) error {
	unix.Umask(0)
	if err := os.Chdir(args[0]); err != nil {
		return err
	}
	fd, err := unix.Open("file", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY, 0o2775)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.Close(fd),
		unix.Mkdir("dir", 0o775),
		unix.Mknod("node", unix.S_IFREG|0o2775, 0),
		unix.Mkfifo("fifo", 0o664),
		unix.Symlink("file", "symlink"),
		unix.Link("file", "hard"),
		unix.Rename("hard", "renamed"),
	)
}
