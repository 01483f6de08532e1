package cost

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Shape of the folder that the clients work in: each worker has its own file and its own small folder, all share the names.
const (
	fileSize  = 1 << 20
	blockSize = 4096
	smallDir  = 8 // files of a worker's small folder
)

func dataFile(dir string, w int) string { return filepath.Join(dir, "data"+strconv.Itoa(w)) }
func listDir(dir string, w int) string  { return filepath.Join(dir, "list"+strconv.Itoa(w)) }
func knownName(i int) string            { return "known/" + strconv.Itoa(i) }

// plant makes that folder.
func plant(dir string) error {
	err := errors.Join(os.Mkdir(filepath.Join(dir, "known"), 0o755), os.Mkdir(filepath.Join(dir, "new"), 0o755))
	for w := range workers {
		err = errors.Join(err, os.WriteFile(dataFile(dir, w), make([]byte, fileSize), 0o644), os.Mkdir(listDir(dir, w), 0o755))
		for i := range smallDir {
			err = errors.Join(err, os.WriteFile(filepath.Join(listDir(dir, w), strconv.Itoa(i)), nil, 0o644))
		}
	}
	for i := range names {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, knownName(i)), nil, 0o644))
	}
	return err
}

// worker is one client's part of a phase.
type worker struct {
	dir   string // in the mount
	index int    // of the worker; WALK: the first folder
	n     int    // what to do so often; WALK: one behind the last folder
	round int    // of CREATE and UNLINK
}

// jobs are what a client does, by the opcode that is meant.
var jobs = map[string]func(*worker) error{
	"GETATTR":       (*worker).getattr,
	"LOOKUP":        (*worker).lookup,
	"FORGET":        (*worker).visit,
	"OPEN":          (*worker).open,
	"READ":          (*worker).read,
	"READ-O_DIRECT": (*worker).readDirect,
	"WRITE":         (*worker).write,
	"READDIRPLUS":   (*worker).list,
	"CREATE":        (*worker).create,
	"UNLINK":        (*worker).unlink,
	"WALK":          (*worker).walk,
}

// client is a process that does a job. No signals of its runtime's: they would come to the server as INTERRUPT.
func client(job, dir string, index, n, round int) *exec.Cmd {
	c := exec.Command("/proc/self/exe")
	c.Env = append(os.Environ(), "GODEBUG=asyncpreemptoff=1", fmt.Sprintf("%s=work %s %s %d %d %d", roleEnv, job, dir, index, n, round))
	c.Stderr = os.Stderr
	return c
}

// work is a client process. Arguments: job, folder, index, number of times, round.
func work(args []string) error {
	w := &worker{dir: args[1]}
	for i, p := range []*int{&w.index, &w.n, &w.round} {
		n, err := strconv.Atoi(args[2+i])
		if err != nil {
			return err
		}
		*p = n
	}
	return jobs[args[0]](w)
}

// getattr asks past every cache.
func (w *worker) getattr() error {
	fd, err := unix.Open(dataFile(w.dir, w.index), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Statx_t
	for range w.n {
		if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH|unix.AT_STATX_FORCE_SYNC, unix.STATX_BASIC_STATS, &st); err != nil {
			return err
		}
	}
	return nil
}

// lookup looks at names that are there and at names that are not.
func (w *worker) lookup() error {
	fd, err := unix.Open(w.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	for i := range w.n {
		name, want := filepath.Base(dataFile("", w.index)), error(nil)
		if i%2 == 1 {
			name, want = "missing", unix.ENOENT
		}
		if err := unix.Fstatat(fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != want {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// visit looks at its share of the names.
func (w *worker) visit() error {
	fd, err := unix.Open(w.dir, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	for i := range w.n {
		if err := unix.Fstatat(fd, knownName(w.index*w.n+i), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) open() error {
	path := dataFile(w.dir, w.index)
	for range w.n {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

// read reads pages that it drops from the client's cache again.
func (w *worker) read() error {
	return w.blocks(unix.O_RDONLY, func(fd int, b []byte, off int64) (int, error) {
		n, err := unix.Pread(fd, b, off)
		return n, errors.Join(err, unix.Fadvise(fd, off, blockSize, unix.FADV_DONTNEED))
	})
}

// readDirect has the server read from the disk, which takes the way of everything that waits.
func (w *worker) readDirect() error {
	return w.blocks(unix.O_RDONLY|unix.O_DIRECT, unix.Pread)
}

func (w *worker) write() error { return w.blocks(unix.O_WRONLY, unix.Pwrite) }

// blocks goes over the worker's file, block by block.
func (w *worker) blocks(flags int, call func(int, []byte, int64) (int, error)) error {
	fd, err := unix.Open(dataFile(w.dir, w.index), flags|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_RANDOM); err != nil {
		return err
	}
	b, err := unix.Mmap(-1, 0, blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return err
	}
	for i := range w.n {
		if n, err := call(fd, b, int64(i*blockSize)%fileSize); err != nil || n != blockSize {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
	}
	return nil
}

// list reads the worker's small folder again and again from its beginning, where the kernel asks for attributes as well.
func (w *worker) list() error {
	fd, err := unix.Open(listDir(w.dir, w.index), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	b := make([]byte, blockSize)
	for range w.n {
		if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
			return err
		}
		if n, err := unix.ReadDirent(fd, b); err != nil || n == 0 {
			return fmt.Errorf("%d bytes: %w", n, err)
		}
	}
	return nil
}

func (w *worker) name(i int) string {
	return fmt.Sprintf("%s/new/%d-%d-%d", w.dir, w.round, w.index, i)
}

func (w *worker) create() error {
	for i := range w.n {
		fd, err := unix.Open(w.name(i), unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
		if err != nil {
			return err
		}
		if err := unix.Close(fd); err != nil {
			return err
		}
	}
	return nil
}

func (w *worker) unlink() error {
	for i := range w.n {
		if err := unix.Unlink(w.name(i)); err != nil {
			return err
		}
	}
	return nil
}
