package options_test

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRequestSizes: how many requests 1 MiB takes, past the cache, with each limit.
func TestRequestSizes(t *testing.T) {
	const size = 1 << 20
	buf, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	must(t, err)
	defer unix.Munmap(buf)
	for args, n := range map[string]struct{ reads, writes int }{
		"":                               {1, 1},
		"--max-read 64K":                 {16, 1},
		"--max-write 128K":               {1, 8},
		"--max-pages 32":                 {8, 8},
		"--max-pages 64 --max-write 64K": {4, 16},
	} {
		for _, transport := range []string{"uring", "blocking"} {
			t.Run(transport+" "+args, func(t *testing.T) {
				_, m := mount(t, "--transport "+transport+" "+args)
				fd, err := unix.Open(filepath.Join(m.Dir, "f"), unix.O_CREAT|unix.O_RDWR|unix.O_DIRECT, 0o644)
				must(t, err)
				if n, err := unix.Pwrite(fd, buf, 0); err != nil || n != size {
					t.Errorf("wrote %d, %v", n, err)
				}
				if n, err := unix.Pread(fd, buf, 0); err != nil || n != size {
					t.Errorf("read %d, %v", n, err)
				}
				must(t, unix.Close(fd))
				if got := requests(t, m); got["READ"] != n.reads || got["WRITE"] != n.writes {
					t.Errorf("%d READs, %d WRITEs, want %v", got["READ"], got["WRITE"], n)
				}
			})
		}
	}
}
