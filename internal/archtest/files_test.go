package archtest

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is the length at which a Go file that is no test holds more than one noun.
const maxLines = 500

func TestFileLength(t *testing.T) {
	dir := root(t)
	for _, name := range files(t) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(data, []byte("\n")); n > maxLines {
			t.Errorf("%s has %d lines, the limit is %d: one noun per file", name, n, maxLines)
		}
	}
}

// foreign are paths that exist on one machine only, spelled so that this file does not match.
var foreign = regexp.MustCompile(strings.Join([]string{`\.\./sha` + `red`, `/wo` + `rk/`, `\.lib` + `rary`}, "|"))

func TestNoForeignPaths(t *testing.T) {
	dir := root(t)
	for _, name := range files(t) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range bytes.Split(data, []byte("\n")) {
			if m := foreign.Find(line); m != nil {
				t.Errorf("%s:%d mentions %q: the project refers only to itself", name, i+1, m)
			}
		}
	}
}

// TestDependencies wants each module that go.mod requires directly, or takes a tool from, in docs/dependencies.md.
func TestDependencies(t *testing.T) {
	doc, err := os.ReadFile(filepath.Join(root(t), "docs", "dependencies.md"))
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
		Tool []struct{ Path string }
	}
	if err := json.Unmarshal(run(t, nil, "go", "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	listed := func(path string) bool { return bytes.Contains(doc, []byte("| "+path+" |")) }
	for _, r := range mod.Require {
		if tool := providesTool(r.Path, mod.Tool); (!r.Indirect || tool) && !listed(r.Path) {
			t.Errorf("docs/dependencies.md has no line for %s", r.Path)
		}
	}
}

func providesTool(module string, tools []struct{ Path string }) bool {
	for _, tool := range tools {
		if tool.Path == module || strings.HasPrefix(tool.Path, module+"/") {
			return true
		}
	}
	return false
}
