//go:build linux

package mnt

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// inNamespace runs f in a mount namespace, named by a process id or a path. Its thread is thrown away afterwards: it has
// another root and working directory.
func inNamespace(ns string, f func() error) error {
	if ns == "" {
		return f()
	}
	path := ns
	if _, err := strconv.ParseUint(ns, 10, 32); err == nil {
		path = "/proc/" + ns + "/ns/mnt"
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("mount namespace %s: %w", ns, err)
	}
	defer unix.Close(fd)
	done := make(chan error, 1)
	go offMain(func() {
		if err := enter(fd); err != nil {
			done <- fmt.Errorf("mount namespace %s: %w", ns, err)
			return
		}
		done <- f()
	})
	return <-done
}

// offMain runs f on a thread that ends with it. Never on the main thread, which cannot end and is what /proc/self shows.
func offMain(f func()) {
	runtime.LockOSThread() // without unlock, the goroutine's end takes the thread with it
	if unix.Gettid() == unix.Getpid() {
		over := make(chan struct{})
		go func() { // while this goroutine holds the main thread, that one gets another
			defer close(over)
			runtime.LockOSThread()
			f()
		}()
		<-over
		runtime.UnlockOSThread()
		return
	}
	f()
}

// enter moves the calling thread; threads share root and working directory until CLONE_FS is undone.
func enter(fd int) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	err := unix.Setns(fd, unix.CLONE_NEWNS)
	if errors.Is(err, unix.EPERM) {
		return fmt.Errorf("setns: %w: needs CAP_SYS_ADMIN and CAP_SYS_CHROOT", err)
	}
	if err != nil {
		return fmt.Errorf("setns: %w", err)
	}
	return nil
}
