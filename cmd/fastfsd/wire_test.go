//go:build linux

package main

import (
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"github.com/fastfsd/fastfsd/internal/config"
)

// notWired are the flags of `fastfsd mount` that are for the process and not for a package.
var notWired = []string{"help", "foreground", "daemon", "log-level", "log-format", "log-file", "pid-file", "options", "config"}

// needs is what a flag cannot be given without.
var needs = map[string][]string{"no-open": {"--cache=always"}}

// TestEveryOptionDoesSomething: a flag with another value than its default changes what a package is told.
func TestEveryOptionDoesSomething(t *testing.T) {
	k, err := kong.New(new(config.Mount))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range k.Model.Flags {
		if slices.Contains(notWired, f.Name) {
			continue
		}
		without := settled(t, needs[f.Name]...)
		for _, said := range otherValues(f) {
			if with := settled(t, append(needs[f.Name], said)...); reflect.DeepEqual(with, without) {
				t.Errorf("%s changes nothing", said)
			}
		}
	}
}

// otherValues are flags with values that are not the default.
func otherValues(f *kong.Flag) (said []string) {
	if f.IsBool() {
		if f.Default == "true" || f.Target.Kind() == reflect.Pointer { // nil is what holds for root, or what libfuse does: on
			return []string{"--no-" + f.Name}
		}
		return []string{"--" + f.Name}
	}
	if f.Enum == "" {
		return []string{"--" + f.Name + "=7"}
	}
	for _, v := range f.EnumSlice() {
		if v != f.Default {
			said = append(said, "--"+f.Name+"="+v)
		}
	}
	return said
}

// settled is what the packages are told, without what differs from call to call.
func settled(t *testing.T, flags ...string) *settings {
	t.Helper()
	inv := mustParse(t, append([]string{"fastfsd", "mount", "/src", "/mnt"}, flags...)...)
	s, err := wire(&inv.mount, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatalf("%q: %v", flags, err)
	}
	s.engine.Logger, s.mount.Logger, s.mount.VFS.OnPanic = nil, nil, nil
	return s
}
