package options_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/sys/mountinfo"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// TestMountTable: what the kernel's mount table says, with and without each option.
func TestMountTable(t *testing.T) {
	const usual = "rw nosuid nodev relatime | rw user_id=0 group_id=0 default_permissions allow_other"
	for args, expect := range map[string]string{
		"":                          usual,
		"--readonly":                "ro nosuid nodev relatime | ro user_id=0 group_id=0 default_permissions allow_other",
		"-o ro":                     "ro nosuid nodev relatime | ro user_id=0 group_id=0 default_permissions allow_other",
		"--noatime":                 strings.Replace(usual, "relatime", "noatime", 1),
		"-o noatime":                strings.Replace(usual, "relatime", "noatime", 1),
		"--no-nodev --no-nosuid":    strings.Replace(usual, "nosuid nodev ", "", 1),
		"-o dev,suid":               strings.Replace(usual, "nosuid nodev ", "", 1),
		"--noexec":                  strings.Replace(usual, "nodev", "nodev noexec", 1),
		"--sync":                    strings.Replace(usual, "| rw", "| rw sync", 1),
		"--dirsync":                 strings.Replace(usual, "| rw", "| rw dirsync", 1),
		"--no-allow-other":          strings.Replace(usual, " allow_other", "", 1),
		"--no-default-permissions":  strings.Replace(usual, "default_permissions ", "", 1),
		"--max-read 64K":            usual + " max_read=65536",
		"-o max_read=131072,noexec": strings.Replace(usual, "nodev", "nodev noexec", 1) + " max_read=131072",
	} {
		t.Run(args, func(t *testing.T) {
			src, m := mount(t, args)
			i := tableEntry(t, m.Dir)
			if i.FSType != "fuse.fastfsd" || i.Source != src {
				t.Errorf("%q of type %q", i.Source, i.FSType)
			}
			got := append(append(words(i.Options), "|"), words(i.VFSOptions)...)
			if slices.Sort(got); !slices.Equal(got, sorted(expect)) {
				t.Errorf("%s | %s, want %s", i.Options, i.VFSOptions, expect)
			}
			m.Stop()
		})
	}
}

func words(list string) []string { return strings.Split(list, ",") }

func sorted(list string) []string {
	w := strings.Fields(list)
	slices.Sort(w)
	return w
}

func tableEntry(t *testing.T, dir string) *mountinfo.Info {
	t.Helper()
	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(dir))
	if err != nil || len(infos) != 1 {
		t.Fatalf("%d entries in the mount table, %v", len(infos), err)
	}
	return infos[0]
}

// TestNames: source and type as the mount table has them.
func TestNames(t *testing.T) {
	src := testmount.Tmpfs(t)
	m := serve(t, src, "--fsname", "a name, and more", "--subtype", "kind")
	if i := tableEntry(t, m.Dir); i.Source != "a name, and more" || i.FSType != "fuse.kind" {
		t.Errorf("%q of type %q", i.Source, i.FSType)
	}
	m.Stop()
}

// TestReadAhead: the mount's read-ahead, in KiB.
func TestReadAhead(t *testing.T) {
	for args, kib := range map[string]string{"": "1024", "--read-ahead 256K": "256", "--read-ahead 0": "128", "--max-pages 64": "256"} {
		_, m := mount(t, args)
		if got := strings.TrimSpace(read(t, fmt.Sprintf("/sys/class/bdi/0:%d/read_ahead_kb", m.Minor))); got != kib {
			t.Errorf("%q: %s KiB, want %s", args, got, kib)
		}
		m.Stop()
	}
}

// TestAutoUnmount: the mount of a daemon that was killed goes away.
func TestAutoUnmount(t *testing.T) {
	_, m := mount(t, "--auto-unmount")
	m.Kill()
	eventually(t, "the mount goes", func() bool { return !m.Mounted() })
}

// TestFlagsHold: what the flags forbid is forbidden.
func TestFlagsHold(t *testing.T) {
	for args, runs := range map[string]bool{"": true, "--noexec": false} {
		src, m := mount(t, args)
		must(t, os.WriteFile(filepath.Join(src, "script"), []byte("#!/bin/sh\n"), 0o755))
		if err := exec.Command(filepath.Join(m.Dir, "script")).Run(); (err == nil) != runs {
			t.Errorf("%q: a script: %v", args, err)
		}
		m.Stop()
	}
	for args, opens := range map[string]bool{"": false, "--no-nodev": true} {
		src, m := mount(t, args)
		must(t, syscall.Mknod(filepath.Join(src, "null"), syscall.S_IFCHR|0o666, 1<<8|3))
		f, err := os.Open(filepath.Join(m.Dir, "null"))
		if (err == nil) != opens {
			t.Errorf("%q: a device: %v", args, err)
		}
		f.Close()
		m.Stop()
	}
}
