package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
)

// Exit codes; doc.go documents them.
const (
	exitOK    = 0
	exitFail  = 1
	exitUsage = 2
)

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr))
}

// run is main without the process: args are those of the process.
func run(args []string, stdout, stderr io.Writer) int {
	inv, err := parse(args, stdout)
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "fastfsd: %v\n", err)
		return exitUsage
	case err != nil:
		fmt.Fprintf(stderr, "fastfsd: %v\n", err)
		return exitFail
	}
	switch inv.command {
	case "mount":
		err = mountCommand(inv, stderr)
	case "serve":
		err = serveCommand(inv, stderr)
	case "version":
		fmt.Fprintln(stdout, versionLine())
	}
	var started *childError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &started): // it has said why
		return started.code
	}
	fmt.Fprintf(stderr, "fastfsd: %v\n", err)
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFail
}

// versionLine is the module's version with the toolchain's.
func versionLine() string {
	v := "(unknown)"
	rev := ""
	if bi, ok := debug.ReadBuildInfo(); ok {
		v = bi.Main.Version
		for _, s := range bi.Settings {
			if s.Key == "vcs.revision" {
				rev = " " + s.Value
			}
		}
	}
	return fmt.Sprintf("fastfsd %s%s %s %s/%s", v, rev, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// calledAsHelper says whether mount(8) started us under a name of its own.
func calledAsHelper(arg0 string) bool { return filepath.Base(arg0) == "mount.fuse.fastfsd" }
