package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
)

func TestSize(t *testing.T) {
	for in, want := range map[string]Size{
		"0": 0, "4096": 4096, "128K": 128 << 10, "1MiB": 1 << 20, "2g": 2 << 30, "3 MB": 3 << 20, "7b": 7, "1T": 1 << 40,
	} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err != nil || s != want {
			t.Errorf("%q: %d, %v; want %d", in, s, err, want)
		}
	}
	for _, in := range []string{"", "-1", "K", "1.5M", "9999999999T", "1X", "0x10"} {
		var s Size
		if err := s.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %d", in, s)
		}
	}
}

func TestDuration(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"0": 0, "1": time.Second, "1.5": 1500 * time.Millisecond, "250ms": 250 * time.Millisecond, "24h": 24 * time.Hour,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err != nil || time.Duration(d) != want {
			t.Errorf("%q: %v, %v; want %v", in, time.Duration(d), err, want)
		}
	}
	for _, in := range []string{"", "-1", "-1s", "1d", "NaN", "Inf", "1e300", "9999999h"} {
		var d Duration
		if err := d.UnmarshalText([]byte(in)); err == nil {
			t.Errorf("%q was read as %v", in, time.Duration(d))
		}
	}
}

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		in   string
		want string // arguments joined by |
		err  string
	}{
		{in: "", want: ""},
		{in: "rw,dev,suid", want: "--no-readonly|--no-nodev|--no-nosuid"},
		{in: "ro,noatime,nodev,nosuid,noexec,dirsync,sync", want: "--readonly|--noatime|--nodev|--nosuid|--noexec|--dirsync|--sync"},
		{in: "allow_other,default_permissions,auto_unmount", want: "--allow-other|--default-permissions|--auto-unmount"},
		{in: "fsname=a\\,b=c,subtype=x", want: "--fsname=a,b=c|--subtype=x"},
		{in: "max_read=128K,attr_timeout=2", want: "--max-read=128K|--attr-timeout=2"},
		{in: "_netdev,nofail,x-systemd.automount,x-systemd.requires=/a,defaults,,user,comment=a", want: ""},
		{in: "no-xattr,no_killpriv_v2,no-open,no-readdir", want: "--no-xattr|--no-killpriv-v2|--no-open|--no-readdir"},
		{in: "transport=uring,threads=2,writeback", want: "--transport=uring|--threads=2|--writeback"},
		{in: "writeback=false", want: "--writeback=false"},
		{in: "transport", err: "needs a value"},
		{in: "source=/", err: "unknown"},
		{in: "options=ro", err: "unknown"},
		{in: "no-transport", err: "unknown"},
		{in: "--config=/x", err: "unknown"},
		{in: "config=/a,config=/b", err: "twice"},
		{in: "ro=1", err: "unknown"},
	} {
		got, err := Args([]string{c.in})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%q: %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if s := strings.Join(got, "|"); err != nil || s != c.want {
			t.Errorf("%q: %q, %v; want %q", c.in, s, err, c.want)
		}
	}
}

func TestParse(t *testing.T) {
	got, err := Parse[Mount]([]byte("transport = \"uring\"\nthreads = 3\nattr-timeout = \"2s\"\nentry-timeout = 5\nmemory = 1024\nwriteback = true\n"))
	want := File{"transport": "uring", "threads": "3", "attr-timeout": "2s", "entry-timeout": "5", "memory": "1024", "writeback": "true"}
	if err != nil || !cmp.Equal(got, want) {
		t.Errorf("%v, %v", cmp.Diff(want, got), err)
	}
	for in, want := range map[string]string{
		"threads = 1\n\nbogus = 1\n":     "line 3: [bogus]",
		"[mount]\nthreads = 1\n":         "mount",
		"threads = \"x\"\n":              "line 1",
		"threads = 1\nthreads = 2\n":     "line 2",
		"memory = \"many\"\n":            "many",
		"config = \"/x\"\n":              "config",
		"options = \"ro\"\n":             "options",
		"writeback = [true]\n":           "line 1",
		"Threads = 1\n":                  "line 1: Threads",
		"threads = 99999999999999999999": "",
	} {
		if _, err := Parse[Mount]([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
}

// TestNames: a flag and its key in the file have the same name, and each setting explains itself.
func TestNames(t *testing.T) {
	t.Run("mount", testNames[Mount])
	t.Run("serve", testNames[Serve])
}

func testNames[T any](t *testing.T) {
	k, err := kong.New(new(T))
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]*kong.Flag{}
	for _, f := range k.Model.Flags {
		flags[f.Name] = f
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[T]()) {
		if f.Anonymous {
			continue
		}
		key := f.Tag.Get("toml")
		if key == "-" {
			key = f.Tag.Get("name")
		}
		fl := flags[key]
		if fl == nil {
			t.Errorf("%s: no flag is called %q", f.Name, key)
		} else if fl.Help == "" {
			t.Errorf("--%s: no help", key)
		}
	}
}

func FuzzList(f *testing.F) {
	for _, s := range []string{"ro,fsname=a\\,b", "\\", "=,=", "x-a=b,,", "transport=uring", "a=b=c", "no-no-open"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, it := range ParseList(s) {
			if !it.Has && it.Value != "" {
				t.Errorf("%q: %+v", s, it)
			}
		}
		args, err := Args([]string{s})
		if err != nil {
			return
		}
		for _, a := range args {
			name, _, _ := strings.Cut(strings.TrimPrefix(a, "--"), "=")
			_, _, ok := lookup(reflect.TypeFor[Mount](), name)
			if plain, no := strings.CutPrefix(name, "no-"); !ok && no {
				_, _, ok = lookup(reflect.TypeFor[Mount](), plain)
			}
			if !ok || name == "options" {
				t.Errorf("%q gave %q", s, a)
			}
		}
	})
}

func FuzzTOML(f *testing.F) {
	f.Add("threads = 1\nmemory = \"1G\"")
	f.Add("a.b = 1")
	f.Fuzz(func(t *testing.T, s string) {
		file, err := Parse[Mount]([]byte(s))
		if err != nil {
			return
		}
		for k := range file {
			if _, _, ok := lookup(reflect.TypeFor[Mount](), k); !ok {
				t.Errorf("%q: key %q", s, k)
			}
		}
	})
}
