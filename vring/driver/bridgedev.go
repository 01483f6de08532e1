//go:build linux

package driver

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// device is /dev/fuse with a mount: one fd for each request queue.
type device struct {
	dir   string
	fds   []int
	stop  int // eventfd: readers end
	minor uint32
}

func mountDevice(dir, options string) (*device, error) {
	v := &device{dir: dir, stop: -1}
	if err := v.mount(options); err != nil {
		v.close()
		return nil, err
	}
	return v, nil
}

func (v *device) mount(options string) error {
	var err error
	if v.stop, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return fmt.Errorf("driver: eventfd: %w", err)
	}
	fd, err := openDevice()
	if err != nil {
		return err
	}
	v.fds = append(v.fds, fd)
	data := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,%s", fd, options)
	if err := unix.Mount("vhost-user-fs", v.dir, "fuse.vhost-user-fs", 0, data); err != nil {
		return fmt.Errorf("driver: mount on %s with options %s: %w", v.dir, options, err)
	}
	var sx unix.Statx_t // the kernel does not ask the device for it
	if err := unix.Statx(unix.AT_FDCWD, v.dir, unix.AT_STATX_DONT_SYNC|unix.AT_NO_AUTOMOUNT, 0, &sx); err == nil {
		v.minor = sx.Dev_minor
	}
	return nil
}

func openDevice() (int, error) {
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("driver: open /dev/fuse: %w: a bridge needs root and the fuse module", err)
	}
	return fd, nil
}

// clone opens the device once more for the same mount.
func (v *device) clone() (int, error) {
	fd, err := openDevice()
	if err != nil {
		return -1, err
	}
	if err := unix.IoctlSetPointerInt(fd, abi.DevIocClone, v.fds[0]); err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("driver: /dev/fuse: clone: %w", err)
	}
	v.fds = append(v.fds, fd)
	return fd, nil
}

// read waits for a request; 0: the mount is gone, or stop was called.
func (v *device) read(fd int, to []byte) (int, error) {
	for {
		n, err := unix.Read(fd, to)
		switch {
		case err == nil:
			return n, nil
		case errors.Is(err, unix.EAGAIN):
			if v.wait(fd) {
				return 0, nil
			}
		case errors.Is(err, unix.ENOENT), errors.Is(err, unix.EINTR): // the caller has gone
		case errors.Is(err, unix.ENODEV), errors.Is(err, unix.ECONNABORTED):
			return 0, nil
		default:
			return 0, fmt.Errorf("driver: read /dev/fuse: %w", err)
		}
	}
}

// wait returns when there is something to read, and says whether it is over.
func (v *device) wait(fd int) bool {
	fds := [2]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(v.stop), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds[:], -1); !errors.Is(err, unix.EINTR) {
			return err != nil || fds[1].Revents != 0
		}
	}
}

// unmount takes the mount out of the tree, if it is still there, whether files are open or not.
func (v *device) unmount() error {
	err := unix.Unmount(v.dir, unix.MNT_DETACH)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// close ends the connection: the kernel aborts one that has lost its last fd.
func (v *device) close() {
	for _, fd := range append(v.fds, v.stop) {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}
