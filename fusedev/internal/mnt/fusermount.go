//go:build linux

package mnt

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// helper is a fusermount3 that waits until our end of the socket is closed (auto_unmount).
type helper struct {
	sock int
	cmd  *exec.Cmd
}

// release closes the socket and waits for the process, which has then unmounted what was left.
func (h *helper) release() {
	unix.Close(h.sock)
	gone := make(chan struct{})
	go func() {
		h.cmd.Wait()
		close(gone)
	}()
	select {
	case <-gone:
	case <-time.After(5 * time.Second): // it stays a zombie's child at worst
	}
}

// findHelper is the program's path.
func findHelper(name string) (string, error) {
	if name == "" {
		name = "fusermount3"
	}
	path, err := exec.LookPath(name)
	if err != nil && name == "fusermount3" {
		for _, p := range []string{"/usr/bin/fusermount3", "/bin/fusermount3", "/usr/local/bin/fusermount3"} {
			if unix.Access(p, unix.X_OK) == nil {
				return p, nil
			}
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path, nil
}

// viaHelper has fusermount3 mount and send the fd back. why is the reason that mount(2) was not enough; nil: it was not tried.
func viaHelper(p *Params, why error) (*Mount, error) {
	if why == nil {
		why = errors.New("auto_unmount needs it")
	}
	path, err := findHelper(p.Fusermount)
	if err != nil {
		return nil, fmt.Errorf("%w: run as root or install fuse3 (for %w)", why, err)
	}
	st, err := os.Stat(p.Dir)
	if err != nil {
		return nil, pointError(p.Dir, err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("fusermount3: socketpair: %w", err)
	}
	ours, theirs := pair[0], os.NewFile(uintptr(pair[1]), "fusermount3")
	cmd := exec.Command(path, "-o", helperOptions(p), "--", p.Dir)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append(os.Environ(), "_FUSE_COMMFD=3")
	errs, err := messages()
	if err != nil {
		unix.Close(ours)
		theirs.Close()
		return nil, err
	}
	defer errs.Close()
	cmd.Stderr = errs
	err = cmd.Start()
	theirs.Close()
	if err != nil {
		unix.Close(ours)
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	fd, err := receive(ours)
	if err != nil {
		unix.Close(ours)
		cmd.Wait()
		return nil, fmt.Errorf("%w; %s: %s", why, path, text(errs, err))
	}
	m := &Mount{FD: fd, Dir: p.Dir, Regular: st.Mode().IsRegular(), fusermount: path}
	if p.AutoUnmount {
		m.helper = &helper{sock: ours, cmd: cmd}
	} else {
		unix.Close(ours)
		cmd.Wait()
	}
	var ok bool
	if m.Dev, ok = connection(fd); !ok {
		if m.Dev, err = devOf(p.Dir); err != nil {
			m.Unmount(unix.MNT_DETACH)
			m.Close()
			unix.Close(fd)
			return nil, err
		}
	}
	return m, nil
}

// helperOptions is fusermount3's -o list. A comma or backslash in a name is escaped.
func helperOptions(p *Params) string {
	esc := strings.NewReplacer(`\`, `\\`, `,`, `\,`)
	name := p.FSName
	if name == "" {
		name = "fastfsd"
	}
	o := []string{"fsname=" + esc.Replace(name)}
	if p.Subtype != "" {
		o = append(o, "subtype="+p.Subtype)
	}
	if p.MaxRead > 0 {
		o = append(o, "max_read="+strconv.FormatUint(uint64(p.MaxRead), 10))
	}
	for _, f := range []struct {
		on   bool
		name string
	}{
		{p.AllowOther, "allow_other"},
		{p.DefaultPermissions, "default_permissions"},
		{p.AutoUnmount, "auto_unmount"},
		{p.Flags&unix.MS_RDONLY != 0, "ro"},
		{p.Flags&unix.MS_NOATIME != 0, "noatime"},
		{p.Flags&unix.MS_NODEV != 0, "nodev"},
		{p.Flags&unix.MS_NOSUID != 0, "nosuid"},
		{p.Flags&unix.MS_NOEXEC != 0, "noexec"},
		{p.Flags&unix.MS_DIRSYNC != 0, "dirsync"},
		{p.Flags&unix.MS_SYNCHRONOUS != 0, "sync"},
	} {
		if f.on {
			o = append(o, f.name)
		}
	}
	return strings.Join(o, ",")
}

// receive takes one fd from the socket.
func receive(sock int) (int, error) {
	var data [1]byte
	oob := make([]byte, unix.CmsgSpace(4))
	for {
		n, oobn, _, _, err := unix.Recvmsg(sock, data[:], oob, unix.MSG_CMSG_CLOEXEC)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return -1, fmt.Errorf("recvmsg: %w", err)
		}
		if n == 0 && oobn == 0 {
			return -1, errors.New("it gave no file descriptor")
		}
		msgs, err := unix.ParseSocketControlMessage(oob[:oobn])
		if err != nil || len(msgs) != 1 {
			return -1, errors.New("it sent something else than a file descriptor")
		}
		fds, err := unix.ParseUnixRights(&msgs[0])
		if err != nil || len(fds) != 1 {
			return -1, errors.New("it sent something else than a file descriptor")
		}
		return fds[0], nil
	}
}

// messages is a file in memory for what fusermount3 prints: a pipe would be held open by one that stays.
func messages() (*os.File, error) {
	fd, err := unix.MemfdCreate("fusermount3", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("fusermount3: memfd: %w", err)
	}
	return os.NewFile(uintptr(fd), "fusermount3"), nil
}

// text is what was printed, or err.
func text(f *os.File, err error) string {
	b, _ := io.ReadAll(io.NewSectionReader(f, 0, 4096))
	s := strings.TrimSpace(string(b))
	switch {
	case s == "":
		return err.Error()
	case strings.Contains(s, "open /dev/fuse: Permission denied"):
		return s + " (it opens the device as you: chmod 666 /dev/fuse, the mode that udev gives it)"
	case strings.Contains(s, "user_allow_other"):
		return s + " (a line of its own in /etc/fuse.conf)"
	}
	return s
}
