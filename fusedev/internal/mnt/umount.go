//go:build linux

package mnt

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrBusy is what Unmount returns where files of the mount are in use.
var ErrBusy = errors.New("in use (lsof or fuser -vm show by whom)")

// Unmount takes the mount away; flags are 0, MNT_DETACH or MNT_FORCE.
func (m *Mount) Unmount(flags int) error {
	if m.Dir == "" {
		return fmt.Errorf("unmount: the mount point of an inherited fd is not known: %w", unix.ENOENT)
	}
	err := inNamespace(m.ns, func() error {
		if err := m.ours(); err != nil {
			return err
		}
		return unix.Unmount(m.Dir, flags|unix.UMOUNT_NOFOLLOW)
	})
	if errors.Is(err, unix.EPERM) && m.ns == "" {
		err = m.helperUnmount(flags)
	}
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("unmount %s: %w: %w", m.Dir, err, ErrBusy)
	case err != nil:
		return fmt.Errorf("unmount %s: %w", m.Dir, err)
	}
	return nil
}

// Mounted says whether the mount is where it was put.
func (m *Mount) Mounted() bool {
	return m.Dir != "" && inNamespace(m.ns, m.ours) == nil
}

// helperUnmount asks fusermount3.
func (m *Mount) helperUnmount(flags int) error {
	path, err := findHelper(m.fusermount)
	if err != nil {
		return err
	}
	args := []string{"-u", "--", m.Dir}
	if flags&unix.MNT_DETACH != 0 {
		args = append([]string{"-z"}, args...)
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(string(out))
	if strings.Contains(said, "busy") {
		return fmt.Errorf("%s: %w", path, unix.EBUSY)
	}
	return fmt.Errorf("%s: %s (%w)", path, said, err)
}

// Abort ends the connection: requests in flight and all later ones fail, the mount stays until it is unmounted.
func (m *Mount) Abort() error {
	file := strconv.FormatUint(uint64(m.Dev), 10) + "/abort"
	err := os.WriteFile("/sys/fs/fuse/connections/"+file, []byte("1"), 0)
	if errors.Is(err, unix.ENOENT) { // the control file system is not mounted there
		err = abortDetached(file)
	}
	if err == nil {
		return nil
	}
	if m.Dir != "" && m.Unmount(unix.MNT_FORCE) == nil {
		return nil // that aborts too
	}
	return fmt.Errorf("abort: %w (is fusectl mounted on /sys/fs/fuse/connections?)", err)
}

// abortDetached writes the abort file through a mount of fusectl that nobody else sees (Linux 5.2, CAP_SYS_ADMIN).
func abortDetached(file string) error {
	fs, err := unix.Fsopen("fusectl", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return fmt.Errorf("fsopen fusectl: %w", err)
	}
	defer unix.Close(fs)
	if err := unix.FsconfigCreate(fs); err != nil {
		return fmt.Errorf("fsconfig fusectl: %w", err)
	}
	dir, err := unix.Fsmount(fs, unix.FSMOUNT_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("fsmount fusectl: %w", err)
	}
	defer unix.Close(dir)
	fd, err := unix.Openat(dir, file, unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("fusectl: %s: %w", file, err)
	}
	defer unix.Close(fd)
	if _, err := unix.Write(fd, []byte("1")); err != nil {
		return fmt.Errorf("fusectl: %s: %w", file, err)
	}
	return nil
}

// SetReadAhead sets the mount's read-ahead to bytes, if it is smaller; it was old before.
func (m *Mount) SetReadAhead(bytes int) (old int, err error) {
	path := "/sys/class/bdi/0:" + strconv.FormatUint(uint64(m.Dev), 10) + "/read_ahead_kb"
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	kb, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if kb*1024 >= bytes {
		return kb * 1024, nil
	}
	return kb * 1024, os.WriteFile(path, []byte(strconv.Itoa(bytes/1024)), 0)
}
