//go:build linux

package passthrough

import (
	"encoding/binary"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const dirBufSize = 32 << 10

// dirBuf holds what getdents has given and the client has not taken yet.
type dirBuf struct {
	b      [dirBufSize]byte
	at, n  int    // the rest is b[at:n]
	cookie uint64 // where b[at:] begins
	entry  vfs.Entry
}

// dirBufs are buffers of closed directories. Not a sync.Pool: that keeps one for each processor, and a directory is rarely closed on
// the one where it was opened.
type dirBufs struct {
	mu   sync.Mutex
	free [16]*dirBuf // guarded by mu; the first n
	n    int         // guarded by mu
}

func (p *dirBufs) get() *dirBuf {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n == 0 {
		return new(dirBuf)
	}
	p.n--
	b := p.free[p.n]
	b.at, b.n, b.cookie = 0, 0, 0
	return b
}

func (p *dirBufs) put(b *dirBuf) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n < len(p.free) {
		p.free[p.n] = b
		p.n++
	}
}

// Opendir opens a directory.
func (fs *FS) Opendir(op *vfs.Op, k vfs.Key, _ *abi.OpenIn, out *vfs.Opened) vfs.Errno {
	n := fs.node(k)
	if n.typ != unix.S_IFDIR {
		return vfs.ENOTDIR
	}
	start, e := fs.begin(op, n)
	if e != 0 {
		return e
	}
	defer fs.end(n, start)
	fd, e := fs.reopen(n, unix.O_RDONLY|unix.O_DIRECTORY)
	if e != 0 {
		return e
	}
	out.H, e = fs.addFile(op, fd, n, unix.O_DIRECTORY)
	switch fs.opts.Cache {
	case CacheAlways, CacheMetadata:
		out.Flags = abi.FopenKeepCache | abi.FopenCacheDir
	}
	return e
}

// Releasedir ends the handle.
func (fs *FS) Releasedir(f vfs.Open) { fs.files.get(uint64(f.H)).Put() }

// Readdir lists from a cookie on: the host's own, which stay valid while the directory changes.
func (fs *FS) Readdir(op *vfs.Op, o vfs.Open, off uint64, plus bool, to vfs.DirSink) vfs.Errno {
	if fs.opts.NoReaddir {
		return 0
	}
	d := fs.node(o.Node)
	start, e := fs.begin(op, d)
	if e != 0 {
		return e
	}
	f, e := fs.use(op, o, false)
	if e != 0 {
		return e
	}
	defer fs.unuse(o, f)
	if op.Nonblock() {
		if !f.dir.TryLock() {
			return vfs.WouldBlock
		}
	} else {
		f.dir.Lock()
	}
	defer f.dir.Unlock()
	if f.buf == nil {
		f.buf = fs.bufs.get()
	}
	b := f.buf
	if off != b.cookie {
		if _, _, errno := unix.Syscall(unix.SYS_LSEEK, uintptr(f.FD), uintptr(off), 0); errno != 0 {
			return vfs.Errno(errno)
		}
		b.at, b.n, b.cookie = 0, 0, off
	}
	for added := 0; ; added++ {
		if b.at >= b.n {
			r, _, errno := unix.Syscall(unix.SYS_GETDENTS64, uintptr(f.FD), uintptr(unsafe.Pointer(&b.b)), dirBufSize)
			if errno != 0 && added == 0 {
				return vfs.Errno(errno)
			}
			if errno != 0 || r == 0 { // what was added counts; the next call meets the error again
				break
			}
			b.at, b.n = 0, int(r)
		}
		if !fs.addDirent(op, d, b, plus, to) || added&15 == 15 && long(start) {
			break
		}
	}
	fs.end(d, start)
	return 0
}

// listTime is how long a listing may hold up a loop, in ns: less than what vfs.Pace takes for a slow disk. The rest is the next READDIR's.
const listTime = 120e3

// long says whether a call that began at start on a loop has taken its time. 0: it need not hurry.
func long(start int64) bool { return start != 0 && vfs.Clock()-start > listTime }

// addDirent hands one entry on; false: no room, it stays for the next call.
func (fs *FS) addDirent(op *vfs.Op, d *inode, b *dirBuf, plus bool, to vfs.DirSink) bool {
	rec := b.b[b.at:b.n] // struct linux_dirent64
	ino, next := binary.NativeEndian.Uint64(rec), binary.NativeEndian.Uint64(rec[8:])
	size, typ := int(binary.NativeEndian.Uint16(rec[16:])), uint32(rec[18])
	nlen := 0
	for rec[19+nlen] != 0 {
		nlen++
	}
	name := vfs.Name(rec[19 : 19+nlen : 19+nlen+1])
	if !to.Room(nlen) {
		return false
	}
	var e *vfs.Entry
	if plus && !name.Dots() {
		b.entry = vfs.Entry{}
		switch fs.lookup(d, name, op.Nonblock(), &b.entry) {
		case 0:
			e = &b.entry
		case vfs.ENOENT: // removed meanwhile
			b.at, b.cookie = b.at+size, next
			return true
		default: // the client may look it up by itself
		}
	}
	number := fs.inos.number(fs.mounts.get(d.mnt).space, ino)
	if e != nil {
		number = e.Stat.Attr.Ino
	}
	if !to.Add(op, name, next, number, typ, e) {
		return false
	}
	b.at, b.cookie = b.at+size, next
	return true
}
