package vfs

import "github.com/fastfsd/fastfsd/abi"

// class says what a request names.
type class uint8

const (
	classNode     class = iota // the header's node
	classFile                  // an open file, its id first in the argument
	classDir                   // an open directory
	classOpen                  // an open file or directory
	classMaybe                 // the node, and perhaps an open file: GETATTR, SETATTR, STATX
	classTwoNodes              // RENAME, RENAME2, LINK
	classTwoFiles              // COPY_FILE_RANGE
)

var classes = [abi.OpMax + 1]class{
	abi.OpRead: classFile, abi.OpWrite: classFile, abi.OpRelease: classFile, abi.OpFlush: classFile, abi.OpFsync: classFile,
	abi.OpFallocate: classFile, abi.OpLseek: classFile, abi.OpReaddir: classDir, abi.OpReaddirplus: classDir,
	abi.OpReleasedir: classDir, abi.OpFsyncdir: classDir, abi.OpGetlk: classOpen, abi.OpSetlk: classOpen,
	abi.OpSetlkw: classOpen, abi.OpIoctl: classOpen, abi.OpPoll: classOpen,
	abi.OpGetattr: classMaybe, abi.OpSetattr: classMaybe, abi.OpStatx: classMaybe,
	abi.OpRename: classTwoNodes, abi.OpRename2: classTwoNodes, abi.OpLink: classTwoNodes,
	abi.OpCopyFileRange: classTwoFiles, abi.OpCopyFileRange64: classTwoFiles,
}

// target finds what the request names and whose it is. Preconditions: inside a batch.
func (c *Conn) target(op *Op) Errno {
	op.nents = 0
	switch classes[op.hdr.Opcode] {
	case classFile, classDir, classOpen:
		return c.targetHandle(op, 0, op.hdr.NodeID, op.args.Flush().Fh)
	case classTwoFiles:
		in := op.args.CopyFileRange()
		if e := c.targetHandle(op, 0, op.hdr.NodeID, in.FhIn); e != OK {
			return e
		}
		first := op.ops
		if e := c.targetHandle(op, 1, in.NodeIDOut, in.FhOut); e != OK {
			return e
		}
		if op.ops != first {
			return EXDEV
		}
		return OK
	}
	n := c.nodes.get(op.hdr.NodeID)
	if n == nil {
		return ESTALE
	}
	op.add(n)
	op.ops = c.system(n.fs.Load())
	switch classes[op.hdr.Opcode] {
	case classMaybe:
		return c.targetMaybe(op, n)
	case classTwoNodes:
		second := op.args.Link().OldNodeID // the same place in all three arguments
		m := c.nodes.get(second)
		if m == nil {
			return ESTALE
		}
		if m.fs.Load() != n.fs.Load() {
			return EXDEV
		}
		op.add(m)
	}
	return OK
}

func (op *Op) add(e *ent) {
	op.ents[op.nents] = e
	op.nents++
}

// targetHandle finds an open file; its node comes from the handle, and the request's is only compared.
func (c *Conn) targetHandle(op *Op, i int, node, fh uint64) Errno {
	if fh == 0 && c.unopened(op) {
		n := c.nodes.get(node)
		if n == nil {
			return ESTALE
		}
		op.add(n)
		op.ops = c.system(n.fs.Load())
		op.open[i] = Open{Node: Key(n.key.Load())}
		return OK
	}
	h := c.handles.get(fh)
	if h == nil || h.node != uint32(node) {
		return EBADF
	}
	switch classes[op.hdr.Opcode] {
	case classFile, classTwoFiles:
		if h.bits.Load()&entDir != 0 {
			return EBADF
		}
	case classDir:
		if h.bits.Load()&entDir == 0 {
			return EBADF
		}
	}
	op.add(h)
	op.add(c.nodes.at(h.node))
	op.ops = c.system(h.fs.Load())
	op.open[i] = Open{Key(h.key.Load()), Handle(h.h)}
	return OK
}

// unopened says whether the kernel may leave out OPEN for this kind of request.
func (c *Conn) unopened(op *Op) bool {
	switch classes[op.hdr.Opcode] {
	case classDir:
		return c.noOpen(true)
	case classOpen:
		return c.noOpen(true) || c.noOpen(false)
	}
	return c.noOpen(false)
}

// targetMaybe looks whether GETATTR, SETATTR or STATX name an open file of the node.
func (c *Conn) targetMaybe(op *Op, n *ent) Errno {
	op.num = 0 // 1: op.open[0] is set
	var fh uint64
	if op.hdr.Opcode == abi.OpSetattr {
		in := op.args.Setattr()
		if in.Valid&abi.FattrFh == 0 {
			return OK
		}
		in.Valid &^= abi.FattrFh
		fh = in.Fh
	} else {
		in := op.args.Getattr()
		if in.GetattrFlags&abi.GetattrFh == 0 {
			return OK
		}
		fh = in.Fh
	}
	h := c.handles.get(fh)
	if h == nil {
		if fh == 0 && c.noOpen(false) {
			return OK
		}
		return EBADF
	}
	if h.node != n.idx {
		return EBADF
	}
	if h.fs.Load() != n.fs.Load() { // a handle of another file system's: the node decides alone
		return OK
	}
	op.add(h)
	op.open[0] = Open{Key(h.key.Load()), Handle(h.h)}
	op.num = 1
	return OK
}

// maybe is the open file that targetMaybe found, or nil.
func (op *Op) maybe() *Open {
	if op.num == 1 {
		return &op.open[0]
	}
	return nil
}

// key is the file system's name of the i-th entry.
func (op *Op) key(i int) Key { return Key(op.ents[i].key.Load()) }
