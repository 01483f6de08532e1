//go:build linux

package driver

import (
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/fastfsd/fastfsd/abi"
)

// Repeat is a load of one kind of request, sent Count times. Any error ends it.
type Repeat struct {
	Count   int
	Prepare func(r *Request, i int)
	Check   func(r *Request) error // of a reply of success; nil: all are right

	sent int
}

// Next prepares the next of Count.
func (l *Repeat) Next(r *Request) bool {
	if l.sent == l.Count {
		return false
	}
	l.Prepare(r, l.sent)
	l.sent++
	return true
}

// Done ends the load at an error.
func (l *Repeat) Done(r *Request) error {
	if e := r.Errno(); e != 0 {
		return e
	}
	if l.Check != nil {
		return l.Check(r)
	}
	return nil
}

// CreateUnlink is a load of files that are made, closed, removed and forgotten, Count in all. An error ends it.
type CreateUnlink struct {
	Client *Client
	Parent uint64
	Count  int

	made  int
	names []string // by request
}

// Next does what comes next in the life of the request's file.
func (l *CreateUnlink) Next(r *Request) bool {
	for len(l.names) <= r.Index {
		l.names = append(l.names, "file-"+strconv.Itoa(len(l.names)))
	}
	name := l.names[r.Index]
	switch r.Step {
	case 0:
		if l.made == l.Count {
			return false
		}
		l.made++
		r.Create(l.Parent, name, unix.O_RDWR|unix.O_EXCL, unix.S_IFREG|0o644)
	case 1:
		r.Release(abi.OpRelease, r.Node, r.Fh)
	case 2:
		r.Remove(abi.OpUnlink, l.Parent, name)
	}
	return true
}

// Done notes what was created, and forgets what was removed.
func (l *CreateUnlink) Done(r *Request) error {
	if e := r.Errno(); e != 0 {
		return e
	}
	switch r.Step {
	case 0:
		var e abi.EntryOut
		var o abi.OpenOut
		abi.Decode(&e, r.Body())
		abi.Decode(&o, r.Body()[entrySize:])
		r.Node, r.Fh = e.NodeID, o.Fh
	case 2:
		r.Step = 0
		return l.Client.Forget(r.Node, 1)
	}
	r.Step++
	return nil
}
