//go:build linux

package passthrough

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

const (
	modelOwners = 4
	modelBytes  = 12
)

// lockModel asks the host's own kernel what is right: each owner is an open file description of another file.
type lockModel struct {
	*locked
	flock   bool
	fds     [modelOwners]int
	waiting []modelWaiter // in order of arrival
}

type modelWaiter struct {
	owner int
	want  lockRange
	call  *call
}

func newLockModel(t testing.TB, flock bool) *lockModel {
	m := &lockModel{locked: newLocked(t, Defaults()), flock: flock}
	shadow := newFile(t, t.TempDir(), "shadow", "")
	for i := range m.fds {
		m.fds[i] = openOFD(t, shadow)
		t.Cleanup(func() { unix.Close(m.fds[i]) })
	}
	return m
}

func (m *lockModel) arg(owner, typ int, r lockRange) []byte {
	if m.flock {
		return flockIn(m.fh, uint64(owner), typ)
	}
	return lockIn(m.fh, uint64(owner), typ, r.start, r.end)
}

func (m *lockModel) draw(t *rapid.T) (owner int, r lockRange) {
	owner = rapid.IntRange(0, modelOwners-1).Draw(t, "owner")
	if m.flock {
		for _, w := range m.waiting {
			if w.owner == owner { // another thread's retry would take away what this one gets: only the kernel knows when
				t.Skip("the owner waits")
			}
		}
		return owner, lockRange{end: lockEOF, write: rapid.Bool().Draw(t, "write")}
	}
	r.start = int64(rapid.IntRange(0, modelBytes-1).Draw(t, "start"))
	r.end = int64(rapid.IntRange(int(r.start), modelBytes).Draw(t, "end"))
	if r.end == modelBytes {
		r.end = lockEOF
	}
	r.write = rapid.Bool().Draw(t, "write")
	return owner, r
}

func typOf(r lockRange) int {
	if r.write {
		return wr
	}
	return rd
}

func (m *lockModel) try(t *rapid.T) {
	owner, r := m.draw(t)
	want := hostLock(m.fds[owner], m.flock, &r)
	e, _ := m.do(abi.OpSetlk, m.node, m.arg(owner, typOf(r), r))
	if e != want {
		t.Fatalf("owner %d, %+v: %v, the kernel says %v", owner, r, e, want)
	}
	m.settle(t)
}

func (m *lockModel) unlock(t *rapid.T) {
	owner, r := m.draw(t)
	hostUnlock(m.fds[owner], m.flock, &r)
	if e, _ := m.do(abi.OpSetlk, m.node, m.arg(owner, un, r)); e != vfs.OK {
		t.Fatal(e)
	}
	m.settle(t)
}

func (m *lockModel) wait(t *rapid.T) {
	owner, r := m.draw(t)
	if len(m.waiting) > 5 {
		t.Skip("enough waiters")
	}
	want := hostLock(m.fds[owner], m.flock, &r)
	k := m.start(abi.OpSetlkw, m.node, m.arg(owner, typOf(r), r))
	switch {
	case want == vfs.OK:
		if !k.answered() || k.e != vfs.OK {
			t.Fatalf("owner %d waits for a free %+v", owner, r)
		}
	case k.answered() && k.e == vfs.EDEADLK && !m.flock:
		if !m.cycle(owner, r) {
			t.Fatalf("owner %d, %+v: a deadlock that is none", owner, r)
		}
	case k.answered():
		t.Fatalf("owner %d, %+v: %v, the kernel makes it wait", owner, r, k.e)
	default:
		m.waiting = append(m.waiting, modelWaiter{owner, r, k})
	}
	m.settle(t)
}

func (m *lockModel) interrupt(t *rapid.T) {
	if len(m.waiting) == 0 {
		t.Skip("nobody waits")
	}
	i := rapid.IntRange(0, len(m.waiting)-1).Draw(t, "waiter")
	w := m.waiting[i]
	m.waiting = append(m.waiting[:i], m.waiting[i+1:]...)
	m.client.interrupt(w.call)
	if e := w.call.wait(); e != vfs.EINTR {
		t.Fatal("interrupted:", e)
	}
	m.settle(t)
}

func (m *lockModel) flush(t *rapid.T) {
	owner, _ := m.draw(t)
	if m.flock {
		t.Skip("close drops POSIX locks")
	}
	hostUnlock(m.fds[owner], false, &wholeFile)
	if e, _ := m.do(abi.OpFlush, m.node, abi.Bytes(&abi.FlushIn{Fh: m.fh, LockOwner: uint64(owner)})); e != vfs.OK {
		t.Fatal(e)
	}
	m.settle(t)
}

// settle gives the model's waiters what is free, in their order, and wants the same answers.
func (m *lockModel) settle(t *rapid.T) {
	for again := true; again; {
		again = false
		rest := m.waiting[:0]
		for _, w := range m.waiting {
			switch e := hostLock(m.fds[w.owner], m.flock, &w.want); {
			case e == vfs.OK:
				again = true
				if !w.call.answered() || w.call.e != vfs.OK {
					t.Fatalf("owner %d still waits for a free %+v (%v)", w.owner, w.want, w.call.e)
				}
			case w.call.answered() && w.call.e == vfs.EDEADLK:
				if !m.cycle(w.owner, w.want) {
					t.Fatalf("owner %d, %+v: a deadlock that is none", w.owner, w.want)
				}
			default:
				rest = append(rest, w)
			}
		}
		m.waiting = rest
	}
	for _, w := range m.waiting { // only now: one that is given a lock may make less of what it has, and free an earlier one
		if w.call.answered() {
			t.Fatalf("owner %d got %v for %+v, the kernel makes it wait", w.owner, w.call.e, w.want)
		}
	}
}

// cycle says whether owner, wanting r, waits for itself over waiters that are known.
func (m *lockModel) cycle(owner int, r lockRange) bool {
	seen := map[int]bool{}
	todo := m.inTheWay(owner, r)
	for len(todo) > 0 {
		o := todo[0]
		todo = todo[1:]
		if o == owner {
			return true
		}
		if seen[o] {
			continue
		}
		seen[o] = true
		for _, w := range m.waiting {
			if w.owner == o {
				todo = append(todo, m.inTheWay(o, w.want)...)
			}
		}
	}
	return false
}

// inTheWay lists the owners that exclude r. It asks our own table, which check has compared with the kernel's.
func (m *lockModel) inTheWay(owner int, r lockRange) (out []int) {
	f := m.fs.locks.find(m.key())
	if f == nil {
		return nil
	}
	defer m.fs.locks.put(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, o := range f.holders {
		if o.key.id != uint64(owner) && o.set.conflict(&r) != nil {
			out = append(out, int(o.key.id))
		}
	}
	return out
}

func (m *lockModel) key() vfs.Key {
	for i := range m.fs.locks.shards {
		s := &m.fs.locks.shards[i]
		s.mu.Lock()
		defer s.mu.Unlock()
		for k := range s.files {
			return k
		}
	}
	return 0
}

// check compares byte by byte what a foreign process sees of our locks with what it sees of the model's.
func (m *lockModel) check(t *rapid.T) {
	ours, err := unix.Open(m.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ours)
	shadow, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", m.fds[0]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(shadow)
	for pos := int64(0); pos <= modelBytes; pos++ {
		for _, write := range []bool{false, true} {
			r := lockRange{pos, pos, write, 0}
			a, b := hostLock(ours, m.flock, &r), hostLock(shadow, m.flock, &r)
			hostUnlock(ours, m.flock, &r)
			hostUnlock(shadow, m.flock, &r)
			if a != b {
				t.Fatalf("byte %d, write %v: a foreign process gets %v, from the kernel's own locks %v", pos, write, a, b)
			}
		}
	}
	m.sane(t)
}

// sane checks the table's own rules.
func (m *lockModel) sane(t *rapid.T) {
	f := m.fs.locks.find(m.key())
	if f == nil {
		return
	}
	defer m.fs.locks.put(f)
	f.mu.Lock()
	defer f.mu.Unlock()
	ranges := 0
	for _, o := range f.owners {
		ranges += len(o.set)
		for i, r := range o.set {
			if r.start > r.end || i > 0 && (o.set[i-1].end >= r.start || o.set[i-1].end+1 == r.start && o.set[i-1].write == r.write) {
				t.Fatalf("owner %d: %+v", o.key.id, o.set)
			}
		}
	}
	if int64(ranges) != m.fs.locks.ranges.Load() || len(f.owners) != int(m.fs.locks.owners.Load()) {
		t.Fatal("counts are wrong")
	}
}

func TestLockModel(t *testing.T) {
	for _, flock := range []bool{false, true} {
		name := map[bool]string{false: "posix", true: "flock"}[flock]
		t.Run(name, rapid.MakeCheck(func(rt *rapid.T) {
			m := newLockModel(t, flock)
			rt.Repeat(map[string]func(*rapid.T){
				"try": m.try, "unlock": m.unlock, "wait": m.wait, "interrupt": m.interrupt, "flush": m.flush, "": m.check,
			})
			for _, w := range m.waiting {
				m.client.interrupt(w.call)
				w.call.wait()
			}
			m.release(m.node, m.fh)
			m.none()
			m.shutdown()
		}))
	}
}
