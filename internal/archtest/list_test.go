package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/fastfsd/fastfsd"

// pkg is what `go list -json` says of a package, as far as it is needed here.
type pkg struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
}

// room is the first element of the package's path below the module: "vfs" for module/vfs/memfs, "" for the module's root.
func room(importPath string) string {
	first, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(importPath, module), "/"), "/")
	return first
}

func ours(importPath string) bool {
	return importPath == module || strings.HasPrefix(importPath, module+"/")
}

// root is the module's folder.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// run returns what a command prints to stdout in the module's folder.
func run(t *testing.T, env []string, argv ...string) []byte {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, stderr.Bytes())
	}
	return out
}

// packages lists the module's packages with the imports of their non-test files on a platform.
func packages(t *testing.T, goos string) []pkg {
	t.Helper()
	// cgo is on, so that a file which imports "C" is listed instead of left out.
	out := run(t, []string{"GOOS=" + goos, "GOARCH=amd64", "CGO_ENABLED=1"}, "go", "list", "-e", "-json=ImportPath,Imports,CgoFiles", "./...")
	var all []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) == 0 {
		t.Fatal("go list finds no package")
	}
	return all
}

// files lists what git keeps, relative to the module's folder; in a tree without git it is all files.
func files(t *testing.T) []string {
	t.Helper()
	dir := root(t)
	cmd := exec.Command("git", "-c", "safe.directory=*", "ls-files", "-z")
	cmd.Dir = dir
	if out, err := cmd.Output(); err == nil {
		names := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
		return slices.DeleteFunc(names, func(name string) bool {
			info, err := os.Lstat(filepath.Join(dir, name))
			return err != nil || !info.Mode().IsRegular() // deleted, a symlink or a submodule
		})
	}
	var names []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != dir && (d.Name() == "bin" || d.Name() == "out" || d.Name() == ".tools") {
			return filepath.SkipDir
		}
		name, err := filepath.Rel(dir, path)
		if d.Type().IsRegular() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
