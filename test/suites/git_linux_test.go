package suites_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

// Shape of the tree that git works on.
const (
	gitFiles     = 2000
	gitPerFolder = 40
	gitMaxBytes  = 16 << 10
	gitLimit     = 2 * time.Minute
)

// TestGit copies a tree into the mount, compares it byte for byte, and has git keep, repack, check and restore it.
func TestGit(t *testing.T) {
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} { // set where a hook of git runs the tests
		os.Unsetenv(name)
	}
	origin := t.TempDir()
	plant(t, origin)
	want := digest(t, origin)
	overTransports(t, func(t *testing.T, m *testmount.Mount) {
		repo := filepath.Join(m.Dir, "repo")
		m.Run(t, testmount.Command{Args: []string{"cp", "-a", origin, repo}, Limit: gitLimit})
		m.Within(t, gitLimit, func() { same(t, want, digest(t, repo)) })

		git := func(args ...string) string {
			t.Helper()
			return m.Run(t, testmount.Command{Args: append([]string{"git"}, args...), Dir: repo, Env: gitEnv(), Limit: gitLimit})
		}
		clean := func() {
			t.Helper()
			if out := git("status", "--porcelain"); out != "" {
				t.Fatalf("git status is not clean:\n%.2000s", out)
			}
		}
		git("init", "-q", "-b", "main")
		git("add", "-A")
		git("commit", "-q", "-m", "first")
		clean()
		git("fsck", "--full", "--strict")
		git("mv", "d000", "moved")
		git("commit", "-q", "-m", "second")
		git("gc", "-q")
		git("fsck", "--full")
		git("checkout", "-q", "HEAD~1")
		clean()
		if n := strings.Count(git("ls-files"), "\n"); n != len(want) {
			t.Errorf("git keeps %d names, want %d", n, len(want))
		}
		m.Run(t, testmount.Command{Args: []string{"rm", "-rf", ".git"}, Dir: repo, Limit: gitLimit})
		m.Within(t, gitLimit, func() { same(t, want, digest(t, repo)) })
		m.Run(t, testmount.Command{Args: []string{"rm", "-rf", repo}, Limit: gitLimit})
	})
}

func gitEnv() []string {
	return []string{
		"HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org",
	}
}

// plant writes the tree: nested folders, sizes from nothing to a few pages, executables, symlinks and hard links.
func plant(t *testing.T, dir string) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(1, 2))
	chacha := rand.NewChaCha8([32]byte{3})
	var last string
	for i := range gitFiles {
		folder := filepath.Join(dir, fmt.Sprintf("d%03d", i/gitPerFolder), fmt.Sprintf("e%d", i%3))
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(folder, fmt.Sprintf("file %04d – ä.txt", i))
		var err error
		switch {
		case i%50 == 7:
			err = os.Symlink("../e1/nowhere", name)
		case i%50 == 8:
			err = os.Link(last, name)
		default:
			data := make([]byte, rnd.IntN(gitMaxBytes)*(i%9)/8)
			_, _ = chacha.Read(data) // never fails
			mode := fs.FileMode(0o644)
			if i%10 == 3 {
				mode = 0o755
			}
			err, last = os.WriteFile(name, data, mode), name
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// digest maps the name of each file below dir to type, mode and a hash of the content.
func digest(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		var data []byte
		if info.Mode()&fs.ModeSymlink != 0 {
			var target string
			target, err = os.Readlink(path)
			data = []byte(target)
		} else {
			data, err = os.ReadFile(path)
		}
		all[name] = fmt.Sprintf("%v %d %x", info.Mode(), info.Size(), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func same(t *testing.T, want, got map[string]string) {
	t.Helper()
	if maps.Equal(want, got) {
		return
	}
	for name, w := range want {
		if got[name] != w {
			t.Fatalf("%d files, want %d; %s: %q, want %q", len(got), len(want), name, got[name], w)
		}
	}
	t.Fatalf("%d files, want %d", len(got), len(want))
}
