//go:build linux

package driver

import (
	"github.com/fastfsd/fastfsd/abi"
)

// The requests that loads are made of. Each fills r, which Begin need not have seen.

// Lookup asks for a name. Its reply is an abi.EntryOut.
func (r *Request) Lookup(parent uint64, name string) {
	r.Begin(abi.OpLookup, parent)
	r.Name(name)
	r.Reply(entrySize)
}

// Getattr asks for a node's attributes. Its reply is an abi.AttrOut.
func (r *Request) Getattr(node uint64) {
	var in abi.GetattrIn
	r.Begin(abi.OpGetattr, node)
	r.Arg(abi.Bytes(&in))
	r.Reply(attrSize)
}

// Open opens a file, or a directory. Its reply is an abi.OpenOut.
func (r *Request) Open(op abi.Opcode, node uint64, flags uint32) {
	in := abi.OpenIn{Flags: flags}
	r.Begin(op, node)
	r.Arg(abi.Bytes(&in))
	r.Reply(openSize)
}

// Create makes a file and opens it. Its reply is an abi.EntryOut and an abi.OpenOut.
func (r *Request) Create(parent uint64, name string, flags, mode uint32) {
	in := abi.CreateIn{Flags: flags, Mode: mode}
	r.Begin(abi.OpCreate, parent)
	r.Arg(abi.Bytes(&in))
	r.Name(name)
	r.Reply(entrySize + openSize)
}

// Release closes a file (OpRelease) or a directory (OpReleasedir).
func (r *Request) Release(op abi.Opcode, node, fh uint64) {
	in := abi.ReleaseIn{Fh: fh}
	r.Begin(op, node)
	r.Arg(abi.Bytes(&in))
}

// Remove is UNLINK or RMDIR.
func (r *Request) Remove(op abi.Opcode, parent uint64, name string) {
	r.Begin(op, parent)
	r.Name(name)
}

// Mkdir makes a directory. Its reply is an abi.EntryOut.
func (r *Request) Mkdir(parent uint64, name string, mode uint32) {
	in := abi.MkdirIn{Mode: mode}
	r.Begin(abi.OpMkdir, parent)
	r.Arg(abi.Bytes(&in))
	r.Name(name)
	r.Reply(entrySize)
}

// Read reads up to size bytes into Payload. With OpReaddir and OpReaddirplus it reads entries, and off is where the last one said.
func (r *Request) Read(op abi.Opcode, node, fh, off uint64, size int) {
	in := abi.ReadIn{Fh: fh, Offset: off, Size: uint32(size)}
	r.Begin(op, node)
	r.Arg(abi.Bytes(&in))
	r.ReplyData(size)
}

// Write writes the first size bytes of Payload. Its reply is an abi.WriteOut.
func (r *Request) Write(node, fh, off uint64, size int) {
	in := abi.WriteIn{Fh: fh, Offset: off, Size: uint32(size)}
	r.Begin(abi.OpWrite, node)
	r.Arg(abi.Bytes(&in))
	r.Data(size)
	r.Reply(writeSize)
}

// Sizes of replies.
const (
	entrySize = 128
	attrSize  = 104
	openSize  = 16
	writeSize = 8
)

// Single calls. An error of the file system is a unix.Errno.

// Lookup finds a name and counts one lookup of its node.
func (c *Client) Lookup(parent uint64, name string) (e abi.EntryOut, err error) {
	err = c.Do(func(r *Request) { r.Lookup(parent, name) }, func(r *Request) { abi.Decode(&e, r.Body()) })
	return e, err
}

// Getattr gives a node's attributes.
func (c *Client) Getattr(node uint64) (a abi.AttrOut, err error) {
	err = c.Do(func(r *Request) { r.Getattr(node) }, func(r *Request) { abi.Decode(&a, r.Body()) })
	return a, err
}

// Open opens a file (OpOpen) or a directory (OpOpendir).
func (c *Client) Open(op abi.Opcode, node uint64, flags uint32) (o abi.OpenOut, err error) {
	err = c.Do(func(r *Request) { r.Open(op, node, flags) }, func(r *Request) { abi.Decode(&o, r.Body()) })
	return o, err
}

// Create makes a file and opens it.
func (c *Client) Create(parent uint64, name string, flags, mode uint32) (e abi.EntryOut, o abi.OpenOut, err error) {
	err = c.Do(func(r *Request) { r.Create(parent, name, flags, mode) }, func(r *Request) {
		abi.Decode(&e, r.Body())
		abi.Decode(&o, r.Body()[entrySize:])
	})
	return e, o, err
}

// Release closes what Open or Create opened; op is OpRelease or OpReleasedir.
func (c *Client) Release(op abi.Opcode, node, fh uint64) error {
	return c.Do(func(r *Request) { r.Release(op, node, fh) }, nil)
}

// Remove is UNLINK or RMDIR.
func (c *Client) Remove(op abi.Opcode, parent uint64, name string) error {
	return c.Do(func(r *Request) { r.Remove(op, parent, name) }, nil)
}

// Mkdir makes a directory.
func (c *Client) Mkdir(parent uint64, name string, mode uint32) (e abi.EntryOut, err error) {
	err = c.Do(func(r *Request) { r.Mkdir(parent, name, mode) }, func(r *Request) { abi.Decode(&e, r.Body()) })
	return e, err
}

// Read reads a file, or with OpReaddir and OpReaddirplus a directory, and says how much came.
func (c *Client) Read(op abi.Opcode, node, fh, off uint64, to []byte) (n int, err error) {
	err = c.Do(func(r *Request) { r.Read(op, node, fh, off, len(to)) }, func(r *Request) { n = copy(to, r.Body()) })
	return n, err
}

// Write writes to a file and says how much the device took.
func (c *Client) Write(node, fh, off uint64, from []byte) (n int, err error) {
	var w abi.WriteOut
	err = c.Do(func(r *Request) {
		copy(r.Payload(), from)
		r.Write(node, fh, off, len(from))
	}, func(r *Request) { abi.Decode(&w, r.Body()) })
	return int(w.Size), err
}
