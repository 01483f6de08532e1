package nodefs_test

import (
	"fmt"

	"github.com/fastfsd/fastfsd/abi"
	"github.com/fastfsd/fastfsd/vfs"
)

// client plays a kernel that has mounted a file system.
type client struct {
	c   *vfs.Conn
	out [8192]byte
}

func mount(fs any) *client {
	c, err := vfs.NewConn(vfs.Resolve(fs), vfs.Options{})
	if err != nil {
		panic(err)
	}
	m := &client{c: c}
	m.call(abi.OpInit, 0, abi.Bytes(&abi.InitIn{Major: abi.KernelVersion, Minor: abi.KernelMinor}))
	return m
}

func (m *client) call(op abi.Opcode, node uint64, body []byte) ([]byte, error) {
	h := abi.InHeader{Len: uint32(abi.HeaderSize + len(body)), Opcode: op, Unique: 2, NodeID: node, UID: 1000, GID: 1000}
	n := m.c.HandleMessage(append(append([]byte(nil), abi.Bytes(&h)...), body...), m.out[:])
	var oh abi.OutHeader
	abi.Decode(&oh, m.out[:])
	if oh.Error != 0 {
		return nil, vfs.Errno(-oh.Error)
	}
	return m.out[abi.OutHeaderSize:n], nil
}

// cat prints a file in the root, as cat(1) does.
func (m *client) cat(name string) {
	b, err := m.call(abi.OpLookup, abi.RootID, append([]byte(name), 0))
	var e abi.EntryOut
	var o abi.OpenOut
	if err == nil {
		abi.Decode(&e, b)
		b, err = m.call(abi.OpOpen, e.NodeID, abi.Bytes(&abi.OpenIn{}))
	}
	if err == nil {
		abi.Decode(&o, b)
		b, err = m.call(abi.OpRead, e.NodeID, abi.Bytes(&abi.ReadIn{Fh: o.Fh, Size: 4096}))
	}
	if err != nil {
		fmt.Printf("cat: %s: %v\n", name, err)
		return
	}
	fmt.Printf("%s", b)
}
