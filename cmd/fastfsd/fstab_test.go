//go:build linux && held

package main

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMountType goes the way of fstab: mount(8), its helper mount.fuse3, a shell, fastfsd in the background.
func TestMountType(t *testing.T) {
	p := newPlace(t)
	p.wrapper(t)
	cmd := exec.Command("mount", "-t", "fuse.fastfsd", p.src, p.mnt, "-o", "ro,noatime,x-test=1,nofail,pid-file="+p.dir+"/pid")
	cmd.Env = append(os.Environ(), "PATH="+p.dir+":"+os.Getenv("PATH"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	wantGreeting(t, p.mnt)
	var st unix.Statfs_t
	if err := unix.Statfs(p.mnt, &st); err != nil || st.Flags&unix.ST_RDONLY == 0 || st.Flags&unix.ST_NOATIME == 0 {
		t.Errorf("flags %#x, %v", st.Flags, err)
	}
	if out, err := exec.Command("umount", p.mnt).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// wrapper is a program called fastfsd that is this one.
func (p place) wrapper(t *testing.T) string {
	t.Helper()
	path := p.dir + "/fastfsd"
	script := fmt.Sprintf("#!/bin/sh\n%s=1 exec %s \"$@\"\n", asProgram, p.exe)
	if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
