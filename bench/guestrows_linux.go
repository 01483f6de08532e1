package bench

import (
	"fmt"
	"math"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vring/driver"
)

// guestKind is a kind of request.
type guestKind struct {
	name  string
	bytes int // of data that one moves
	load  func(g *guest) driver.Load
}

func guestRows() []guestKind {
	rows := []guestKind{
		{"getattr", 0, func(g *guest) driver.Load {
			return repeat(func(r *driver.Request, _ int) {
				r.Begin(abi.OpGetattr, g.file.NodeID)
				r.Arg(abi.Bytes(&abi.GetattrIn{}))
				r.Reply(len(abi.Bytes(&abi.AttrOut{})))
			})
		}},
		{"lookup", 0, func(g *guest) driver.Load {
			return repeat(func(r *driver.Request, _ int) {
				r.Begin(abi.OpLookup, abi.RootID)
				r.Name("file")
				r.Reply(len(abi.Bytes(&abi.EntryOut{})))
			})
		}},
		{"create-unlink", 0, func(g *guest) driver.Load {
			return &driver.CreateUnlink{Client: g.client, Parent: abi.RootID, Count: math.MaxInt}
		}},
		{"readdirplus", 0, func(g *guest) driver.Load {
			return repeat(func(r *driver.Request, _ int) {
				r.Begin(abi.OpReaddirplus, g.list.NodeID)
				r.Arg(abi.Bytes(&abi.ReadIn{Fh: g.listFh, Size: 32 * kib}))
				r.ReplyData(32 * kib)
			})
		}},
	}
	for _, n := range []int{4 * kib, 128 * kib, 1024 * kib} {
		rows = append(rows, guestKind{fmt.Sprintf("read-%dk", n/kib), n, func(g *guest) driver.Load {
			return repeat(func(r *driver.Request, i int) {
				r.Begin(abi.OpRead, g.file.NodeID)
				r.Arg(abi.Bytes(&abi.ReadIn{Fh: g.fh, Offset: offset(i, n), Size: uint32(n)}))
				r.ReplyData(n)
			})
		}}, guestKind{fmt.Sprintf("write-%dk", n/kib), n, func(g *guest) driver.Load {
			return repeat(func(r *driver.Request, i int) {
				r.Begin(abi.OpWrite, g.file.NodeID)
				r.Arg(abi.Bytes(&abi.WriteIn{Fh: g.fh, Offset: offset(i, n), Size: uint32(n)}))
				r.Data(n)
				r.Reply(len(abi.Bytes(&abi.WriteOut{})))
			})
		}})
	}
	return rows
}

func repeat(prepare func(r *driver.Request, i int)) driver.Load {
	return &driver.Repeat{Count: math.MaxInt, Prepare: prepare}
}

// offset scatters requests of n bytes over the file.
func offset(i, n int) uint64 { return uint64(i) * 0x9E3779B1 % uint64(fileSize/n) * uint64(n) }
