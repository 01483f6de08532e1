//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestFstab goes the whole way: a line of fstab, mount(8), its helper mount.fuse3, a shell that looks for fastfsd, fastfsd in the
// background. It has a mount namespace with a /usr/local/bin of its own, for mount(8) does not hand PATH on.
func TestFstab(t *testing.T) {
	p := newPlace(t)
	bin, pid := p.dir+"/bin", p.dir+"/pid"
	line := fmt.Sprintf("%s %s fuse.fastfsd ro,noatime,noauto,x-test=1,_netdev,nofail,pid-file=%s 0 0\n", p.src, p.mnt, pid)
	wrapper := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asProgram, p.exe)
	for _, err := range []error{
		os.Mkdir(bin, 0o755), os.WriteFile(bin+"/fastfsd", []byte(wrapper), 0o755), os.WriteFile(p.dir+"/fstab", []byte(line), 0o644),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	script := strings.NewReplacer("DIR", p.dir, "MNT", p.mnt).Replace(`set -e
		mount --bind DIR/bin /usr/local/bin
		mount -T DIR/fstab MNT
		cat MNT/hello
		grep " MNT fuse.fastfsd ro,.*noatime" /proc/mounts >&2
		umount MNT`)
	cmd := exec.Command("sh", "-c", script)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil || string(out) != greeting {
		t.Fatalf("%q, %v: %s", out, err, errs.String())
	}
	for i := 0; ; i++ { // the daemon removes it at its end
		if _, err := os.Stat(pid); errors.Is(err, os.ErrNotExist) {
			break
		}
		if i > 6000 {
			t.Fatal("the daemon is still there a minute after the unmount")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
