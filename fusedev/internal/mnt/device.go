//go:build linux

package mnt

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// devIocClone is FUSE_DEV_IOC_CLONE: _IOR(229, 0, uint32_t) (include/uapi/linux/fuse.h).
const devIocClone = 2<<30 | 4<<16 | 229<<8

// Clone opens /dev/fuse once more for the same connection. Requests read from the clone are answered through it.
func Clone(fd int) (int, error) {
	c, err := openDevice()
	if err != nil {
		return -1, err
	}
	// the argument is an in parameter, a pointer to the fd's number
	if err := unix.IoctlSetPointerInt(c, devIocClone, fd); err != nil {
		unix.Close(c)
		return -1, fmt.Errorf("/dev/fuse: clone: %w", err)
	}
	unix.CloseOnExec(c)
	return c, nil
}

// connection asks fdinfo which connection a /dev/fuse belongs to; false: to none, or the kernel is older than 6.11.
func connection(fd int) (uint32, bool) {
	b, err := os.ReadFile("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "fuse_connection:"); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
			return uint32(n), err == nil
		}
	}
	return 0, false
}

// devOf is the minor number of the file system at path; the kernel asks its server nothing for it.
func devOf(path string) (uint32, error) {
	var sx unix.Statx_t
	flags := unix.AT_STATX_DONT_SYNC | unix.AT_NO_AUTOMOUNT | unix.AT_SYMLINK_NOFOLLOW
	if err := unix.Statx(unix.AT_FDCWD, path, flags, 0, &sx); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return sx.Dev_minor, nil
}

// ours says whether the mount at m.Dir is still this one. Precondition: in the mount namespace.
func (m *Mount) ours() error {
	dev, err := devOf(m.Dir)
	if err != nil {
		return err
	}
	if dev != m.Dev {
		return fmt.Errorf("%s: another file system is mounted there, or ours was unmounted: %w", m.Dir, unix.EINVAL)
	}
	return nil
}

// findMount looks a connection up in the mount table.
func findMount(dev uint32) (dir string, regular bool) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", false
	}
	want := "0:" + strconv.FormatUint(uint64(dev), 10)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 || f[2] != want || f[3] != "/" {
			continue
		}
		dir = unescape(f[4])
		var sx unix.Statx_t
		err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &sx)
		return dir, err == nil && sx.Mode&unix.S_IFMT == unix.S_IFREG
	}
	return "", false
}

// unescape undoes the \ooo of mount tables.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
