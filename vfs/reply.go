package vfs

import (
	"time"

	"github.com/fastfsd/fastfsd/abi"
)

// put writes a result struct to the reply's memory and returns its size; what does not fit is cut off, which only a
// transport with a reply of less than the protocol's minimum can see.
func put[T any](op *Op, v *T) int { return copy(op.reply, abi.Bytes(v)) }

// payloadReply takes a method's payload as the reply's body. An extent stays where it is, for IO.
func (op *Op) payloadReply(p Payload, e Errno) Errno {
	if e != OK {
		if p.File != nil {
			p.File.Put()
		}
		return e
	}
	if p.File != nil {
		op.payload = p
		return OK
	}
	if len(p.Bytes) > len(op.reply) {
		return EIO
	}
	if len(p.Bytes) > 0 && &p.Bytes[0] != &op.reply[0] {
		copy(op.reply, p.Bytes)
	}
	op.n = len(p.Bytes)
	return OK
}

func splitTTL(d time.Duration) (sec uint64, nsec uint32) {
	if d <= 0 {
		return 0, 0
	}
	return uint64(d / time.Second), uint32(d % time.Second)
}

func fillEntry(out *abi.EntryOut, id uint64, e *Entry) {
	out.NodeID = id
	out.Generation = id >> 32
	out.EntryValid, out.EntryValidNsec = splitTTL(e.EntryTTL)
	out.AttrValid, out.AttrValidNsec = splitTTL(e.Stat.TTL)
	out.Attr = e.Stat.Attr
}

// adopt takes an entry's reference over into the node table; 0: ENFILE.
func (c *Conn) adopt(op *Op, e *Entry) uint64 {
	return c.intern(c.systemOf(e.FS, op.ents[0].fs.Load()), e.Key)
}

// replyEntry answers LOOKUP and its relatives.
func (c *Conn) replyEntry(op *Op) Errno {
	e := &op.entry
	var out abi.EntryOut
	if e.Negative {
		if op.hdr.Opcode != abi.OpLookup {
			return EIO
		}
		out.EntryValid, out.EntryValidNsec = splitTTL(e.EntryTTL)
		op.n = put(op, &out)
		return OK
	}
	id := c.adopt(op, e)
	if id == 0 {
		return ENFILE
	}
	op.gotNode = id
	fillEntry(&out, id, e)
	op.n = put(op, &out)
	return OK
}

// openHandle enters op.opened into the handle table and fills out; node is what was opened.
func (c *Conn) openHandle(op *Op, out *abi.OpenOut, node *ent, dir bool) Errno {
	o := &op.opened
	fs := c.systemOf(o.FS, node.fs.Load())
	f := o.Open
	if o.FS == nil {
		f.Node = Key(node.key.Load())
	}
	id := c.addHandle(fs, f, node, dir)
	if id == 0 {
		if s := c.system(fs); dir {
			s.Releasedir(f)
		} else {
			s.Release(f, 0, 0)
		}
		return ENFILE
	}
	op.gotHandle = id
	out.Fh, out.OpenFlags = id, o.Flags
	return OK
}

// replyStat answers GETATTR and SETATTR.
func (op *Op) replyStat() Errno {
	out := abi.AttrOut{Attr: op.stat.Attr}
	out.AttrValid, out.AttrValidNsec = splitTTL(op.stat.TTL)
	op.n = put(op, &out)
	return OK
}

// dirWriter encodes a directory listing into the reply. It counts a lookup only for an entry that fits.
type dirWriter struct {
	op   *Op
	fs   uint32 // entries of "the file system that was asked"
	size int
	plus bool
}

func (w *dirWriter) Room(nameLen int) bool {
	return w.op.n+abi.DirentLen(nameLen, w.plus) <= w.size
}

func (w *dirWriter) Add(op *Op, name Name, next, ino uint64, typ uint32, e *Entry) bool {
	c := op.conn
	if e != nil && (e.Negative || !w.plus) {
		w.giveBack(e)
		e = nil
	}
	if len(name) > NameMax || len(name) == 0 { // the kernel would refuse the whole listing
		if e != nil {
			w.giveBack(e)
		}
		return true
	}
	if w.op.n+abi.DirentLen(len(name), w.plus) > w.size {
		if e != nil {
			w.giveBack(e)
		}
		return false
	}
	dst := w.op.reply[w.op.n:w.size]
	if !w.plus {
		w.op.n += abi.PutDirent(dst, ino, next, typ, name)
		return true
	}
	var out abi.EntryOut
	if e != nil {
		id := c.intern(c.systemOf(e.FS, w.fs), e.Key)
		if id == 0 {
			return false
		}
		w.op.gotIDs = append(w.op.gotIDs, id)
		fillEntry(&out, id, e)
	}
	w.op.n += abi.PutDirentplus(dst, &out, ino, next, typ, name)
	return true
}

func (w *dirWriter) giveBack(e *Entry) {
	if !e.Negative {
		c := w.op.conn
		c.system(c.systemOf(e.FS, w.fs)).Forget(e.Key, 1)
	}
}
