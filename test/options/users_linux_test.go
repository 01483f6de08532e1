package options_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// shell runs a script, its $0 being path, as a user with a group of the same number.
func shell(uid uint32, script, path string) error {
	c := exec.Command("/bin/sh", "-c", script, path)
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s as %d: %w: %s", script, uid, err, out)
	}
	return nil
}

// mayRead says whether a user can read a file.
func mayRead(uid uint32, path string) bool { return shell(uid, "cat $0", path) == nil }

// TestAllowOther: whether users other than the mounter may use the mount.
func TestAllowOther(t *testing.T) {
	for args, may := range map[string]bool{"": true, "--no-allow-other": false, "-o allow_other": true} {
		src, m := mount(t, args)
		must(t, os.Chmod(m.Dir, 0o755))
		write(t, filepath.Join(src, "f"), "data")
		if got := mayRead(65534, filepath.Join(m.Dir, "f")); got != may {
			t.Errorf("%q: another user reads a file: %v", args, got)
		}
		if !mayRead(0, filepath.Join(m.Dir, "f")) {
			t.Errorf("%q: the mounter cannot read", args)
		}
		m.Stop()
	}
}

// TestDefaultPermissions: the kernel checks modes, or nobody does.
func TestDefaultPermissions(t *testing.T) {
	for args, may := range map[string]bool{"": false, "--no-default-permissions": true} {
		src, m := mount(t, args)
		write(t, filepath.Join(src, "f"), "data")
		must(t, os.Chmod(filepath.Join(src, "f"), 0o600))
		if got := mayRead(65534, filepath.Join(m.Dir, "f")); got != may {
			t.Errorf("%q: another user reads a file of mode 600: %v", args, got)
		}
		m.Stop()
	}
}

// entry is one of an ACL: tag, permissions and id of include/uapi/linux/posix_acl.h.
type entry struct {
	tag, perm uint16
	id        uint32
}

const (
	tagUserObj, tagUser, tagGroupObj, tagMask, tagOther = 1, 2, 4, 16, 32
	noID                                                = ^uint32(0)
)

// acl is an ACL as the system.posix_acl attributes hold it.
func acl(entries ...entry) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, e.tag)
		b = binary.LittleEndian.AppendUint16(b, e.perm)
		b = binary.LittleEndian.AppendUint32(b, e.id)
	}
	return b
}

// TestPosixACL: with posix-acl the kernel lets in whom an ACL names, and default ACLs are inherited, whoever set them.
func TestPosixACL(t *testing.T) {
	const friend = 1234
	list := acl(entry{tagUserObj, 6, noID}, entry{tagUser, 4, friend}, entry{tagGroupObj, 0, noID}, entry{tagMask, 4, noID}, entry{tagOther, 0, noID})
	for args, on := range map[string]bool{"": false, "--posix-acl": true} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			write(t, filepath.Join(src, "host"), "data")
			must(t, unix.Setxattr(filepath.Join(src, "host"), "system.posix_acl_access", list, 0))
			if got := mayRead(friend, filepath.Join(m.Dir, "host")); got != on {
				t.Errorf("whom an ACL of the host's names reads: %v", got)
			}
			if mayRead(friend+1, filepath.Join(m.Dir, "host")) {
				t.Error("a stranger reads")
			}
			if on {
				aclThrough(t, src, m.Dir, list, friend)
			}
			m.Stop()
		})
	}
}

// aclThrough sets ACLs through the mount.
func aclThrough(t *testing.T, src, mnt string, list []byte, friend uint32) {
	t.Helper()
	write(t, filepath.Join(mnt, "f"), "data")
	must(t, unix.Setxattr(filepath.Join(mnt, "f"), "system.posix_acl_access", list, 0))
	if !mayRead(friend, filepath.Join(mnt, "f")) || mayRead(friend+1, filepath.Join(mnt, "f")) {
		t.Error("an ACL that was set through the mount does not hold")
	}
	if mode := stat(t, filepath.Join(mnt, "f")).Mode & 0o777; mode != 0o640 {
		t.Errorf("mode %o: the group's bits are the mask", mode)
	}
	must(t, unix.Mkdir(filepath.Join(mnt, "d"), 0o755))
	must(t, unix.Setxattr(filepath.Join(mnt, "d"), "system.posix_acl_default", list, 0))
	must(t, os.WriteFile(filepath.Join(mnt, "d/new"), []byte("data"), 0o666))
	b := make([]byte, 100)
	for _, dir := range []string{src, mnt} {
		p := filepath.Join(dir, "d/new")
		if n, err := unix.Getxattr(p, "system.posix_acl_access", b); err != nil || n != len(list) {
			t.Errorf("the ACL of a new file has %d bytes, %v", n, err)
		}
		if mode := stat(t, p).Mode & 0o777; mode != 0o640 {
			t.Errorf("a new file has mode %o", mode)
		}
	}
	if !mayRead(friend, filepath.Join(mnt, "d/new")) {
		t.Error("a default ACL does not hold")
	}
}

// TestACLDropsSetgid: whoever sets an ACL without being in the file's group takes the set-group-id bit off (SETXATTR_EXT), as
// on the host.
func TestACLDropsSetgid(t *testing.T) {
	const owner, group = 1234, 4242
	list := acl(entry{tagUserObj, 7, noID}, entry{tagUser, 4, 1}, entry{tagGroupObj, 5, noID}, entry{tagMask, 5, noID}, entry{tagOther, 5, noID})
	src, m := mount(t, "--posix-acl -o suid")
	for _, dir := range []string{src, m.Dir} {
		p := filepath.Join(dir, "f")
		write(t, p, "")
		must(t, os.Chown(p, owner, group))
		must(t, unix.Chmod(p, 0o2755))
		script := fmt.Sprintf(`python3 -c 'import os, sys; os.setxattr(sys.argv[1], "system.posix_acl_access", bytes.fromhex("%x"))' $0`, list)
		must(t, shell(owner, script, p))
		if mode := stat(t, p).Mode & 0o7777; mode != 0o755 {
			t.Errorf("mode %o on %s", mode, dir)
		}
		must(t, os.Remove(p))
	}
	m.Stop()
}
