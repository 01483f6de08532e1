package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func mustParse(t *testing.T, args ...string) *invocation {
	t.Helper()
	inv, err := parse(args, io.Discard)
	if err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	return inv
}

func TestPrecedence(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.toml")
	text := "transport = \"classic\"\nthreads = 7\nattr-timeout = 3\nxattr = false\nreadonly = true\nmemory = \"1M\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	m := mustParse(t, "fastfsd", "mount", "/src", "/mnt", "--config", file, "--threads=2", "-o", "transport=blocking,rw").mount
	if m.Transport != "blocking" || m.Threads != 2 || m.Xattr || m.ReadOnly || m.Memory != 1<<20 {
		t.Errorf("%+v", m)
	}
	if m.AttrTimeout == nil || *m.AttrTimeout != 3e9 || m.EntryTimeout != nil || m.Cache != "auto" || m.FD != -1 {
		t.Errorf("%+v", m)
	}
	if m.Source != "/src" || m.Point != "/mnt" {
		t.Errorf("%q on %q", m.Source, m.Point)
	}
	m = mustParse(t, "fastfsd", "mount", "/src", "/mnt", "-o", "threads=3,config="+file, "--threads", "4", "-o", "threads=5").mount
	if m.Threads != 4 || m.Transport != "classic" {
		t.Errorf("a flag must win over a list: %d; and a list may name a file: %s", m.Threads, m.Transport)
	}
}

func TestCalledByMount(t *testing.T) {
	for _, c := range []struct {
		args   []string
		daemon bool
	}{
		{[]string{"fastfsd", "/src", "/mnt", "-o", "rw,dev,suid,x-a=b,threads=2"}, true},
		{[]string{"/sbin/mount.fuse.fastfsd", "/src", "/mnt", "-n", "-v", "-o", "rw,threads=2", "-t", "fuse.fastfsd"}, true},
		{[]string{"/sbin/mount.fuse.fastfsd", "mount", "/mnt", "-o", "threads=2"}, true}, // a source of that name
		{[]string{"fastfsd", "/src", "/mnt", "-f", "-othreads=2"}, false},
		{[]string{"fastfsd", "mount", "/src", "/mnt", "--threads=2"}, false},
	} {
		inv := mustParse(t, c.args...)
		if inv.command != "mount" || inv.mount.Daemon != c.daemon || inv.mount.Threads != 2 || inv.mount.Point != "/mnt" {
			t.Errorf("%q: %+v", c.args, inv.mount)
		}
	}
}

func TestUsageErrors(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.toml")
	if err := os.WriteFile(bad, []byte("threads = 1\nbogus = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		want string
	}{
		{"mount", "expected"},
		{"mount /src", "expected"},
		{"mount /src /mnt /more", "unexpected"},
		{"mount /src /mnt --bogus", "unknown flag"},
		{"mount /src /mnt --transport=pigeon", "must be one of"},
		{"mount /src /mnt --memory=lots", "size"},
		{"mount /src /mnt --attr-timeout=-1s", "time"},
		{"mount /src /mnt -o bogus", "unknown"},
		{"mount /src /mnt -o source=/", "unknown"},
		{"mount /src /mnt --config=" + bad, "line 2"},
		{"mount /src /mnt --config=/nowhere.toml", "nowhere"},
		{"mount /src /mnt -f --daemon", "together"},
		{"help bogus", "unexpected"},
		{"bogus", "expected"},
	} {
		var out, errs strings.Builder
		code := run(append([]string{"fastfsd"}, strings.Fields(c.args)...), &out, &errs)
		if code != exitUsage || !strings.Contains(errs.String(), c.want) {
			t.Errorf("%s: exit code %d, %q, want %q", c.args, code, errs.String(), c.want)
		}
	}
}

func TestHelpAndVersion(t *testing.T) {
	for args, want := range map[string]string{
		"": "Commands:", "help": "Commands:", "help mount": "--transport", "mount --help": "--config", "version": "fastfsd ", "-h": "Commands:",
	} {
		var out, errs strings.Builder
		code := run(append([]string{"fastfsd"}, strings.Fields(args)...), &out, &errs)
		if code != exitOK || !strings.Contains(out.String(), want) || errs.String() != "" {
			t.Errorf("%q: exit code %d, %q, %q", args, code, out.String(), errs.String())
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	f.Add("ro,fsname=a")
	f.Add("config=/dev/null")
	f.Fuzz(func(t *testing.T, list string) {
		inv, err := parse([]string{"fastfsd", "mount", "/src", "/mnt", "-o", list}, io.Discard)
		if err == nil && inv.command == "mount" && inv.mount.Source != "/src" {
			t.Errorf("-o %q changed the source: %q", list, inv.mount.Source)
		}
	})
}
