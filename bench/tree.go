package bench

import (
	"fmt"
	"os"
	"path/filepath"
)

// filesPerDir is how many files a folder of a tree has.
const filesPerDir = 100

// treeName is the path of file i in its tree.
func treeName(i int) string {
	return fmt.Sprintf("d%d/f%d", i/filesPerDir, i%filesPerDir)
}

// makeTree makes a tree of folders in dir, with n files or, if bare, with room for them.
func makeTree(dir string, n int, bare bool) error {
	for i := range n {
		p := filepath.Join(dir, treeName(i))
		if i%filesPerDir == 0 {
			if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
				return err
			}
		}
		if bare {
			continue
		}
		if err := os.WriteFile(p, nil, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// makeFile makes a file of n bytes that are not zero: holes would be read from nowhere.
func makeFile(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = byte(i) | 1
	}
	for done := 0; done < n; done += len(chunk) {
		if _, err := f.Write(chunk[:min(len(chunk), n-done)]); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
