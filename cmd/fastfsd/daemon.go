//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// readyFD names the pipe on which a child in the background says that it is ready.
const readyFD = "FASTFSD_READY_FD"

// childError is the exit of a child that did not become ready. It has printed why.
type childError struct{ code int }

func (e *childError) Error() string {
	return fmt.Sprintf("exit code %d before the mount was ready", e.code)
}

// background starts this program again in a session of its own and returns when the child is ready or dead.
func background(args []string) error {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "fastfsd"
	// an inherited /dev/fuse keeps its number only if nothing else takes it: hand all of them over by number
	cmd.ExtraFiles = append(inherited(), w)
	cmd.Env = append(os.Environ(), readyFD+"="+strconv.Itoa(2+len(cmd.ExtraFiles)))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		w.Close()
		return fmt.Errorf("daemon: %w", err)
	}
	w.Close()
	var b [1]byte
	if n, _ := r.Read(b[:]); n == 1 {
		return nil
	}
	cmd.Wait()
	code := cmd.ProcessState.ExitCode()
	if code <= 0 { // killed, or it ended without a word
		fmt.Fprintf(os.Stderr, "fastfsd: the background process ended: %v\n", cmd.ProcessState)
		code = exitFail
	}
	return &childError{code}
}

// inherited are the fds from 3 on without close on exec, up to the last one; nil where a number is not open.
func inherited() []*os.File {
	var files []*os.File
	last := 0
	for fd := 3; fd < 256; fd++ {
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err != nil || flags&unix.FD_CLOEXEC != 0 {
			files = append(files, nil)
			continue
		}
		files = append(files, os.NewFile(uintptr(fd), "inherited"))
		last = len(files)
	}
	return files[:last]
}

// isChild says whether this process is the one in the background.
func isChild() bool { return os.Getenv(readyFD) != "" }

// tellParent says that the mount is ready and leaves the terminal. In the foreground it does nothing.
func tellParent() error {
	v := os.Getenv(readyFD)
	if v == "" {
		return nil
	}
	os.Unsetenv(readyFD)
	fd, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("daemon: %s=%s: %w", readyFD, v, err)
	}
	unix.CloseOnExec(fd)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("daemon: %w", err)
	}
	defer unix.Close(null)
	for std := range 3 {
		if err := unix.Dup3(null, std, 0); err != nil {
			return fmt.Errorf("daemon: %w", err)
		}
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte{0}); err != nil {
		return fmt.Errorf("daemon: the parent has gone: %w", err)
	}
	return nil
}
