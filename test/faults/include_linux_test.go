package faults

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fastfsd/fastfsd/internal/testmount"
)

const (
	includeLimit = 5 * time.Minute
	openFiles    = 1000 // descriptors of a daemon that may have 1024
)

// TestIncludeFewDescriptors: the headers of this machine, many more files than the daemon may have descriptors, are copied into the
// mount, compared, and taken into a git repository.
func TestIncludeFewDescriptors(t *testing.T) {
	const origin = "/usr/include"
	files := 0
	err := filepath.WalkDir(origin, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if files <= openFiles {
		t.Fatalf("%s has only %d files: install libc6-dev", origin, files)
	}
	src := testmount.Tmpfs(t)
	m := testmount.Start(t, src, testmount.Config{Wrap: []string{"prlimit", "--nofile=1024"}})
	repo := filepath.Join(m.Dir, "include")
	run := func(args ...string) string {
		t.Helper()
		return m.Run(t, testmount.Command{Args: args, Dir: m.Dir, Env: includeEnv(), Limit: includeLimit})
	}
	run("cp", "-r", origin, repo)
	run("diff", "-r", "--no-dereference", origin, repo)
	run("git", "init", "-q", repo)
	run("git", "-C", repo, "-c", "core.compression=0", "add", "-A")
	if n := strings.Count(run("git", "-C", repo, "ls-files", "-z"), "\x00"); n != files {
		t.Errorf("git has %d files, want %d", n, files)
	}
	if n := descriptors(t, m); n > openFiles {
		t.Errorf("the daemon has %d descriptors open", n)
	}
	m.Stop()
}

// includeEnv keeps git from what the user has set, and from the repository whose hook may run the tests.
func includeEnv() []string {
	for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
		os.Unsetenv(name)
	}
	return []string{"HOME=/nonexistent", "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}
}
