package vfs

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/fastfsd/fastfsd/abi"
)

// counted is a file system of many nodes that checks every reference: a node or file that is used after its Forget or
// Release, or given back more often than handed out, is a failure.
type counted struct {
	refs   [modelNodes]atomic.Int64
	opens  [modelNodes]atomic.Int64
	files  sync.Map // Handle -> Key
	nextH  atomic.Uint64
	faults atomic.Int64
	wait   bool
}

const modelNodes = 300

func (f *counted) Root() Key    { return 0 }
func (f *counted) Inline() bool { return true }

func (f *counted) fault() { f.faults.Add(1) }

// name is two bytes: the node's number.
func (f *counted) Lookup(op *Op, _ Key, name Name, out *Entry) Errno {
	if f.wait && op.Nonblock() {
		return WouldBlock
	}
	k := (int(name[0]-'A')*26+int(name[1]-'A'))%(modelNodes-1) + 1
	f.refs[k].Add(1)
	out.Key = Key(k)
	return OK
}

func (f *counted) Getattr(_ *Op, k Key, _ *Open, _ *Stat) Errno {
	if k != 0 && f.refs[k].Load() <= 0 {
		f.fault()
	}
	return OK
}

func (f *counted) Open(op *Op, k Key, _ *abi.OpenIn, out *Opened) Errno {
	if f.wait && op.Nonblock() {
		return WouldBlock
	}
	f.opens[k].Add(1)
	out.H = Handle(f.nextH.Add(1))
	f.files.Store(out.H, k)
	return OK
}

func (f *counted) Read(op *Op, o Open, _ int64, _ int32, _ *abi.ReadIn) (Payload, Errno) {
	if k, ok := f.files.Load(o.H); !ok || k.(Key) != o.Node || f.refs[o.Node].Load() <= 0 {
		f.fault()
	}
	return op.Bytes(nil), OK
}

func (f *counted) Readdir(op *Op, _ Open, off uint64, plus bool, to DirSink) Errno {
	var e Entry
	for i := off; i < 40; i++ {
		e = Entry{Key: Key(i%(modelNodes-1) + 1)}
		f.refs[e.Key].Add(1)
		if !to.Add(op, op.TempName("x"), i+1, i, 0, &e) {
			break
		}
	}
	return OK
}

func (f *counted) Release(o Open, _ uint32, _ uint64) {
	if _, ok := f.files.LoadAndDelete(o.H); !ok || f.opens[o.Node].Add(-1) < 0 {
		f.fault()
	}
	if o.Node != 0 && f.refs[o.Node].Load() <= 0 {
		f.fault() // Forget must come after the last Release
	}
}

func (f *counted) Releasedir(o Open) { f.Release(o, 0, 0) }

func (f *counted) Opendir(op *Op, k Key, in *abi.OpenIn, out *Opened) Errno {
	return f.Open(op, k, in, out)
}

func (f *counted) Forget(k Key, n uint64) {
	if k == 0 {
		return
	}
	if n == 0 || f.refs[k].Add(-int64(n)) < 0 {
		f.fault()
	}
}

// client is one loop's worth of random requests, hostile ones included, over ids that all clients share.
type client struct {
	c     *Conn
	ep    *Epoch
	op    *Op
	rnd   *rand.Rand
	reply []byte
	ids   *[4096]atomic.Uint64 // node ids that replies showed
	fhs   *[4096][2]atomic.Uint64
}

func (k *client) request(op abi.Opcode, node uint64, body ...byte) (Errno, []byte) {
	k.ep.Enter()
	k.c.LoadMessage(k.op, message1(op, node, body...), k.reply)
	v := k.c.Begin(k.op)
	k.ep.Exit()
	if v == Offload {
		v = k.c.Run(k.op)
	}
	if v == Silent {
		k.c.Sent(k.op)
		return OK, nil
	}
	e, n := k.op.Result()
	if k.rnd.IntN(8) == 0 {
		k.c.Undelivered(k.op)
		return EIO, nil
	}
	body = append([]byte(nil), k.reply[:n]...)
	k.c.Sent(k.op)
	return e, body
}

func (k *client) step() {
	i := k.rnd.IntN(len(k.ids))
	id := k.ids[i].Load()
	fh := &k.fhs[i]
	switch k.rnd.IntN(10) {
	case 0, 1, 2:
		e, b := k.request(abi.OpLookup, 1, byte('A'+k.rnd.IntN(26)), byte('A'+k.rnd.IntN(26)), 0)
		var out abi.EntryOut
		if e == OK && abi.Decode(&out, b) {
			k.ids[i].Store(out.NodeID)
		}
	case 3, 4:
		n := uint64(1)
		if k.rnd.IntN(10) == 0 {
			n = k.rnd.Uint64()
		}
		k.request(abi.OpForget, id, abi.Bytes(&abi.ForgetIn{Nlookup: n})...)
	case 5:
		k.request(abi.OpGetattr, id, make([]byte, 16)...)
	case 6:
		op := abi.OpOpen
		if k.rnd.IntN(4) == 0 {
			op = abi.OpOpendir
		}
		e, b := k.request(op, id, make([]byte, 8)...)
		var out abi.OpenOut
		if e == OK && abi.Decode(&out, b) {
			fh[0].Store(out.Fh)
			fh[1].Store(id)
		}
	case 7:
		op := abi.OpRelease
		if k.rnd.IntN(4) == 0 {
			op = abi.OpReleasedir
		}
		k.request(op, fh[1].Load(), abi.Bytes(&abi.ReleaseIn{Fh: fh[0].Load()})...)
	case 8:
		k.request(abi.OpRead, fh[1].Load(), abi.Bytes(&abi.ReadIn{Fh: fh[0].Load(), Size: 100})...)
	case 9:
		k.request(abi.OpReaddirplus, fh[1].Load(), abi.Bytes(&abi.ReadIn{Fh: fh[0].Load(), Size: uint32(k.rnd.IntN(4096))})...)
	}
}

// TestTablesAgainstModel: a million concurrent requests, after which every reference and every file is back.
func TestTablesAgainstModel(t *testing.T) {
	for _, wait := range []bool{false, true} {
		t.Run(fmt.Sprint("wait=", wait), func(t *testing.T) {
			fs := &counted{wait: wait}
			p := newPeer(t, fs, Options{Poison: true})
			steps := 125_000
			if raceEnabled {
				steps = 20_000
			}
			runModel(p.c, 4, steps)
			p.c.Shutdown()
			<-p.c.Done()
			if n := fs.faults.Load(); n != 0 {
				t.Fatal(n, "uses of something that had been given back")
			}
			for k := range fs.refs {
				if r, o := fs.refs[k].Load(), fs.opens[k].Load(); r != 0 || o != 0 {
					t.Fatalf("node %d: %d references and %d opens left", k, r, o)
				}
			}
			if n, h := p.c.Live(); n != 0 || h != 0 {
				t.Fatal("live after shutdown:", n, h)
			}
		})
	}
}

func runModel(c *Conn, clients, steps int) {
	var ids [4096]atomic.Uint64
	var fhs [4096][2]atomic.Uint64
	var wg sync.WaitGroup
	for i := range clients {
		wg.Add(1)
		go func() {
			defer wg.Done()
			k := &client{
				c: c, ep: c.Epoch(), op: c.NewOp(nobody{}), rnd: rand.New(rand.NewPCG(uint64(i), 7)),
				reply: make([]byte, 4096), ids: &ids, fhs: &fhs,
			}
			defer k.ep.Close()
			for n := range steps {
				k.step()
				if n%64 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	wg.Wait()
}
