//go:build linux

package engine

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/vfs"
)

// onThread runs f on a thread that ends with it.
func onThread(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		f()
	}()
	within(t, "a thread", done)
}

// raw is a system call that changes the calling thread only.
func raw(call uintptr, args ...uintptr) {
	args = append(args, 0, 0, 0)
	unix.RawSyscall(call, args[0], args[1], args[2])
}

// changes are what a back-end may do to its thread's credentials.
var changes = []func(r *rand.Rand){
	func(r *rand.Rand) { raw(unix.SYS_SETFSUID, uintptr(r.IntN(3)*1000)) },
	func(r *rand.Rand) { raw(unix.SYS_SETFSGID, uintptr(r.IntN(3)*1000)) },
	func(r *rand.Rand) { raw(unix.SYS_SETRESGID, keep, uintptr(r.IntN(3)*1000), keep) },
	func(r *rand.Rand) { raw(unix.SYS_SETRESGID, 1000, 1000, 0) },
	func(r *rand.Rand) { raw(unix.SYS_SETRESUID, keep, uintptr(r.IntN(3)*1000), keep) },
	func(r *rand.Rand) { raw(unix.SYS_SETRESUID, 1000, 1000, 0) },
	func(r *rand.Rand) { setThreadGroups(make([]uint32, r.IntN(4))) },
	func(r *rand.Rand) { setThreadGroups([]uint32{7, 8, 9}[:r.IntN(4)]) },
	func(r *rand.Rand) { // effective capabilities, which can be taken back
		var c creds
		if c.save() == nil {
			c.caps[0].Effective &= r.Uint32()
			h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			_ = unix.Capset(&h, &c.caps[0])
		}
	},
}

const keep = ^uintptr(0)

// TestCredsRestore: whatever was done to a thread's credentials that can be undone is undone.
func TestCredsRestore(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 50 {
		onThread(t, func() {
			if i%2 == 0 { // a process may have begun so
				raw(unix.SYS_SETFSGID, 1001)
				raw(unix.SYS_SETFSUID, 1001)
			}
			var own, now creds
			if err := own.save(); err != nil {
				t.Error(err)
				return
			}
			for range 20 {
				for range 1 + r.IntN(5) {
					changes[r.IntN(len(changes))](r)
				}
				if err := own.restore(); err != nil {
					_ = now.save()
					t.Errorf("%v: %+v, want %+v", err, now, own)
					return
				}
				if err := now.save(); err != nil || !now.equal(&own) {
					t.Errorf("%v: %+v after restore, want %+v", err, now, own)
				}
			}
		})
	}
}

// TestCredsEqual: a difference in any part is one.
func TestCredsEqual(t *testing.T) {
	for i, change := range changes {
		onThread(t, func() {
			var own, now creds
			err := own.save()
			r := rand.New(rand.NewPCG(1, 2))
			for range 5 { // one of them is not what it was
				change(r)
				if err == nil {
					err = now.save()
				}
				if err != nil || !now.equal(&own) {
					break
				}
			}
			if err != nil || now.equal(&own) {
				t.Errorf("change %d is not seen: %v", i, err)
			}
		})
	}
}

// TestCredsLost: what cannot be undone is reported.
func TestCredsLost(t *testing.T) {
	onThread(t, func() {
		var own creds
		if err := own.save(); err != nil {
			t.Error(err)
			return
		}
		loseCaps()
		if err := own.restore(); err == nil {
			t.Error("a thread without capabilities counts as what it was")
		}
	})
}

// loseCaps takes all capabilities from the calling thread for good.
func loseCaps() {
	h, none := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}, [2]unix.CapUserData{}
	if err := unix.Capset(&h, &none[0]); err != nil {
		panic(err)
	}
}

// disguise makes the thread another user's.
func disguise() {
	setThreadGroups([]uint32{5, 6})
	raw(unix.SYS_SETRESGID, keep, 1000, keep)
	raw(unix.SYS_SETRESUID, keep, 1000, keep)
}

// TestForeignCreds: a method that fails with foreign credentials, by a panic or by saying so, leaves them to no other
// request, on whatever thread it ran.
func TestForeignCreds(t *testing.T) {
	var own creds
	onThread(t, func() {
		if err := own.save(); err != nil {
			t.Error(err)
		}
	})
	ends := map[string]func(op *vfs.Op) (vfs.Payload, vfs.Errno){
		"panic":            func(*vfs.Op) (vfs.Payload, vfs.Errno) { panic("in disguise") },
		"says so":          func(op *vfs.Op) (vfs.Payload, vfs.Errno) { op.SetTainted(); return vfs.Payload{}, vfs.EACCES },
		"hook that panics": func(op *vfs.Op) (vfs.Payload, vfs.Errno) { op.OnDone(panicker{}, 0); return vfs.Payload{}, vfs.OK },
	}
	each(t, func(t *testing.T, s setting, inline bool) {
		e, logs := newEngine(t, Config{Loops: 1, Pool: 1})
		fs := &acts{inline: inline}
		client := e.Attach(newConn(t, fs))
		t.Cleanup(client.Detach)
		d := s.open(t, client, e.Loops()[0])
		look := func(op *vfs.Op, _ int64, n int32, _ []byte) (vfs.Payload, vfs.Errno) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var now creds
			if err := now.save(); err != nil || !now.equal(&own) {
				t.Errorf("a request runs with %+v (%v)", now, err)
			}
			return op.Bytes(fill(op.Reply(int(n)), 'l')), vfs.OK
		}
		looks := []int64{fs.add(look), fs.add(offLoop(look))}
		for name, end := range ends {
			for place, at := range places {
				tid := 0
				bad := fs.add(at(func(op *vfs.Op, _ int64, _ int32, _ []byte) (vfs.Payload, vfs.Errno) {
					runtime.LockOSThread() // a goroutine's thread must stay its own
					tid = unix.Gettid()
					disguise()
					return end(op)
				}))
				c := d.start(readCall(bad, 10))
				more := []*call{d.start(readCall(looks[1], 10)), d.start(readCall(looks[0], 10))} // one waits for the thread
				for _, m := range more {
					if d.wait(m); m.errno != vfs.OK {
						t.Errorf("%s, %s: the next request gets %v", name, place, m.errno)
					}
				}
				if d.wait(c); c.errno == vfs.OK {
					t.Errorf("%s, %s: %v", name, place, c.errno)
				}
				if d.tid != tid {
					eventually(t, "the thread has ended", func() bool { return ended(tid) })
				}
				for _, l := range slices.Concat(looks, looks) {
					d.wantRead(l, 10, 'l')
				}
			}
		}
		if n := len(logs.take()); n != 2 {
			t.Errorf("%d panics were logged, want those of the hooks", n)
		}
	})
}
