package archtest

import (
	"slices"
	"strings"
	"testing"
)

// arrows says which rooms a room may import besides itself. A room that is not listed is a mistake, or a new room that
// wants its line here and in docs/architecture.md.
var arrows = map[string][]string{
	"abi":         {},
	"ring":        {},
	"vfs":         {"abi"},
	"passthrough": {"abi", "vfs"},
	"engine":      {"abi", "ring", "vfs"},
	"fusedev":     {"abi", "engine", "ring", "vfs"},
	"vring":       {"abi", "engine", "ring", "vfs"},
	"trace":       {"abi"},
	"internal":    {"abi", "engine", "fusedev", "passthrough", "ring", "trace", "vfs", "vring"},
	"bench":       {"abi", "engine", "fusedev", "internal", "passthrough", "ring", "trace", "vfs", "vring"},
	"cmd":         {"abi", "bench", "engine", "fusedev", "internal", "passthrough", "ring", "trace", "vfs", "vring"},
	"test":        {}, // test files only
}

// dataPath are the rooms that import golang.org/x/sys and the standard library, and nothing else from outside.
var dataPath = []string{"abi", "engine", "fusedev", "passthrough", "ring", "vfs", "vring"}

// platforms differ in what is compiled, so each has its own imports.
var platforms = []string{"linux", "darwin"}

func TestArrows(t *testing.T) {
	for _, goos := range platforms {
		for _, p := range packages(t, goos) {
			from := room(p.ImportPath)
			allowed, known := arrows[from]
			if !known {
				t.Errorf("%s: no arrow is drawn for room %q", p.ImportPath, from)
				continue
			}
			for _, imp := range p.Imports {
				if to := room(imp); ours(imp) && to != from && !slices.Contains(allowed, to) {
					t.Errorf("%s imports %s (%s): room %s may import %v", p.ImportPath, imp, goos, from, allowed)
				}
			}
		}
	}
}

func TestDataPathImports(t *testing.T) {
	for _, goos := range platforms {
		for _, p := range packages(t, goos) {
			if !slices.Contains(dataPath, room(p.ImportPath)) {
				continue
			}
			for _, imp := range p.Imports {
				if first, _, _ := strings.Cut(imp, "/"); !ours(imp) && strings.Contains(first, ".") && !strings.HasPrefix(imp, "golang.org/x/sys/") {
					t.Errorf("%s imports %s (%s): the data path has no dependency but golang.org/x/sys", p.ImportPath, imp, goos)
				}
			}
		}
	}
}

func TestNoCgo(t *testing.T) {
	for _, goos := range platforms {
		for _, p := range packages(t, goos) {
			if len(p.CgoFiles) > 0 {
				t.Errorf("%s uses cgo in %v (%s)", p.ImportPath, p.CgoFiles, goos)
			}
		}
	}
}

func TestRoom(t *testing.T) {
	for path, want := range map[string]string{
		module: "", module + "/vfs": "vfs", module + "/vfs/memfs": "vfs", module + "/cmd/fastfsd": "cmd",
	} {
		if got := room(path); got != want {
			t.Errorf("room(%s) = %q, want %q", path, got, want)
		}
	}
	if ours("github.com/fastfsd/fastfsdx") || !ours(module+"/abi") {
		t.Error("ours mistakes a neighbour for this module")
	}
}
