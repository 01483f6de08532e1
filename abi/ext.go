package abi

import "encoding/binary"

// Exts walks over the extensions of a request: the last InHeader.TotalExtlen*8 bytes of its payload, each a struct
// fuse_ext_header and its body, padded to 8 bytes.
type Exts struct{ rest []byte }

// CutExts takes the extension area off the payload. False: it is longer than the payload.
func CutExts(payload []byte, totalExtlen uint16) (rest []byte, exts Exts, ok bool) {
	n := int(totalExtlen) * 8
	if n > len(payload) {
		return payload, Exts{}, false
	}
	return payload[:len(payload)-n], Exts{payload[len(payload)-n:]}, true
}

// Next gives the next extension's type and body. done: there is none; ok false: its size is impossible.
func (x *Exts) Next() (typ uint32, body []byte, done, ok bool) {
	if len(x.rest) == 0 {
		return 0, nil, true, true
	}
	if len(x.rest) < 8 {
		return 0, nil, false, false
	}
	size := uint64(binary.NativeEndian.Uint32(x.rest))
	typ = binary.NativeEndian.Uint32(x.rest[4:])
	padded := (size + 7) &^ 7
	if size < 8 || padded > uint64(len(x.rest)) {
		return 0, nil, false, false
	}
	body, x.rest = x.rest[8:size], x.rest[padded:]
	return typ, body, false, true
}

// Group decodes struct fuse_supp_groups: the kernel sends exactly one group. False: the list does not fit the body.
func Group(body []byte) (gid uint32, n int, ok bool) {
	if len(body) < 4 {
		return 0, 0, false
	}
	k := uint64(binary.NativeEndian.Uint32(body))
	if 4+k*4 > uint64(len(body)) {
		return 0, 0, false
	}
	if k == 0 {
		return 0, 0, true
	}
	return binary.NativeEndian.Uint32(body[4:]), int(k), true
}

// SecctxNext decodes one security context of the body of a context extension: struct fuse_secctx, a name with its NUL,
// the value, padded to 8 bytes. The extension's type is their number. ok false: it does not fit.
func SecctxNext(b []byte) (name, value, rest []byte, ok bool) {
	if len(b) < 8 {
		return nil, nil, nil, false
	}
	size := uint64(binary.NativeEndian.Uint32(b))
	name, tail, ok := CutName(b[8:])
	if !ok || size > uint64(len(tail)) {
		return nil, nil, nil, false
	}
	used := (8 + uint64(len(name)) + 1 + size + 7) &^ 7
	return name, tail[:size], b[min(used, uint64(len(b))):], true
}

// Forgets walks over BATCH_FORGET's items, clamped to what the payload holds.
type Forgets struct {
	rest []byte
	n    uint32
}

// NewForgets begins with the count of struct fuse_batch_forget_in.
func NewForgets(count uint32, payload []byte) Forgets {
	return Forgets{payload, min(count, uint32(min(len(payload)/16, 1<<31)))}
}

// Next gives the next item.
func (f *Forgets) Next() (node, nlookup uint64, ok bool) {
	if f.n == 0 {
		return 0, 0, false
	}
	node, nlookup = binary.NativeEndian.Uint64(f.rest), binary.NativeEndian.Uint64(f.rest[8:])
	f.rest, f.n = f.rest[16:], f.n-1
	return node, nlookup, true
}
