package abi

import (
	"bytes"
	"testing"
)

func TestSplitAndLoad(t *testing.T) {
	body := make([]byte, 200)
	for i := range body {
		body[i] = byte(i)
	}
	for _, c := range []struct {
		op            Opcode
		flags         InitFlags
		n             int
		args, payload int
		ok            bool
	}{
		{OpLookup, 0, 5, 0, 5, true},
		{OpWrite, 0, 50, 40, 10, true},
		{OpWrite, 0, 39, 0, 0, false},
		{OpSetxattr, 0, 20, 8, 12, true},
		{OpSetxattr, InitSetxattrExt, 20, 16, 4, true},
		{OpInit, 0, 16, 16, 0, true},
		{OpInit, 0, 104, 64, 0, true},
		{OpInit, 0, 7, 0, 0, false},
		{7, 0, 100, 0, 0, false},
		{19, 0, 100, 0, 0, false},
		{OpMax + 1, 0, 100, 0, 0, false},
		{1 << 31, 0, 100, 0, 0, false},
	} {
		args, payload, ok := Split(c.op, c.flags, body[:c.n])
		if ok != c.ok || len(args) != c.args || len(payload) != c.payload {
			t.Errorf("%v of %d bytes: %d + %d, %v", c.op, c.n, len(args), len(payload), ok)
		}
		var a Args
		for i := range a.B {
			a.B[i] = 0xff
		}
		if !ok {
			continue
		}
		if !a.Load(c.op, c.flags, args) || !bytes.Equal(a.B[:len(args)], args) {
			t.Errorf("%v: load", c.op)
		}
		if c.op == OpSetxattr && c.flags == 0 && a.Setxattr().SetxattrFlags != 0 {
			t.Error("the short SETXATTR has flags")
		}
		if c.op == OpInit && c.n == 16 && (a.Init().Flags2 != 0 || a.Init().Unused != [11]uint32{}) {
			t.Error("the short INIT has a tail")
		}
	}
}

func TestInitFlagBits(t *testing.T) {
	for bit, f := range map[int]InitFlags{
		0: InitAsyncRead, 5: InitBigWrites, 13: InitDoReaddirplus, 20: InitPosixACL, 22: InitMaxPages, 25: InitExplicitInvalData,
		28: InitHandleKillprivV2, 29: InitSetxattrExt, 30: InitInitExt, 32: InitSecurityCtx, 34: InitCreateSuppGroup,
		37: InitPassthrough, 39: InitHasResend, 40: InitAllowIdmap, 41: InitOverIOUring, 42: InitRequestTimeout,
	} {
		if f != 1<<bit {
			t.Errorf("bit %d is %v", bit, f)
		}
	}
	if f := JoinInitFlags(1, 1<<9); f != InitAsyncRead {
		t.Errorf("flags2 without INIT_EXT: %v", f)
	}
	f := InitOverIOUring | InitInitExt
	if JoinInitFlags(f.Split()) != f || f.String() != "INIT_EXT|OVER_IO_URING" {
		t.Error(f)
	}
}

func TestDirents(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 64)
	if n := PutDirent(b, 3, 4, 8, []byte("abc")); n != 32 || !bytes.Equal(b[24:32], []byte("abc\x00\x00\x00\x00\x00")) || b[32] != 0xff {
		t.Fatal(n, b)
	}
	if PutDirent(b[:31], 3, 4, 8, []byte("abc")) != 0 || PutDirentplus(b, &EntryOut{}, 1, 1, 1, []byte("x")) != 0 {
		t.Fatal("an entry that does not fit")
	}
}

func TestExtensions(t *testing.T) {
	ext := append(Bytes(&ExtHeader{Size: 16, Type: ExtGroups}), 1, 0, 0, 0, 0xe8, 3, 0, 0)
	rest, x, ok := CutExts(append([]byte("n\x00"), ext...), 2)
	if !ok || string(rest) != "n\x00" {
		t.Fatal(rest, ok)
	}
	typ, body, done, ok := x.Next()
	gid, n, gok := Group(body)
	if typ != ExtGroups || done || !ok || gid != 1000 || n != 1 || !gok {
		t.Fatal(typ, body, gid, n)
	}
	if _, _, done, ok := x.Next(); !done || !ok {
		t.Fatal("more than one extension")
	}
	if _, _, ok := Group([]byte{0xff, 0xff, 0xff, 0x3f, 0, 0, 0, 0}); ok {
		t.Fatal("a billion groups in eight bytes")
	}
	if _, _, ok := CutExts(ext, 3); ok {
		t.Fatal("an area longer than the message")
	}
	bad := Exts{Bytes(&ExtHeader{Size: 17})}
	if _, _, _, ok := bad.Next(); ok {
		t.Fatal("an extension longer than its area")
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(uint32(OpWrite), uint64(0), []byte("0123456789012345678901234567890123456789payload"))
	f.Fuzz(func(t *testing.T, op uint32, flags uint64, body []byte) {
		args, payload, ok := Split(Opcode(op), InitFlags(flags), body)
		if !ok {
			return
		}
		if Opcode(op) != OpInit && len(args)+len(payload) != len(body) {
			t.Fatal("bytes lost")
		}
		var a Args
		if !a.Load(Opcode(op), InitFlags(flags), args) {
			t.Fatal("what was split does not load")
		}
	})
}

func FuzzNames(f *testing.F) {
	f.Add([]byte("a\x00b\x00c"))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, rest, ok := CutName(b)
		if ok != bytes.Contains(b, []byte{0}) || ok && (len(name)+1+len(rest) != len(b) || bytes.IndexByte(name, 0) >= 0) {
			t.Fatalf("%q: %q, %q, %v", b, name, rest, ok)
		}
	})
}

func FuzzExtensions(f *testing.F) {
	f.Add(append(Bytes(&ExtHeader{Size: 16, Type: ExtGroups}), 1, 0, 0, 0, 0xe8, 3, 0, 0), uint16(2))
	f.Add(append(Bytes(&ExtHeader{Size: 24, Type: 1}), append(Bytes(&Secctx{Size: 2}), "a.b\x00xy\x00\x00"...)...), uint16(3))
	f.Fuzz(func(t *testing.T, b []byte, n uint16) {
		rest, x, ok := CutExts(b, n)
		if !ok {
			return
		}
		if len(rest)+int(n)*8 != len(b) {
			t.Fatal("bytes lost")
		}
		for steps := 0; ; steps++ {
			_, body, done, ok := x.Next()
			if done || !ok {
				return
			}
			if steps > len(b)/8 {
				t.Fatal("no end")
			}
			if gid, k, ok := Group(body); ok && k > len(body)/4 {
				t.Fatal(gid, k)
			}
			for len(body) > 0 {
				name, value, next, ok := SecctxNext(body)
				if !ok {
					break
				}
				if len(next) >= len(body) || len(name)+len(value)+9 > len(body) {
					t.Fatal("a context beyond its area")
				}
				body = next
			}
		}
	})
}

func FuzzForgets(f *testing.F) {
	f.Add(uint32(3), make([]byte, 40))
	f.Fuzz(func(t *testing.T, count uint32, b []byte) {
		it := NewForgets(count, b)
		n := 0
		for _, _, ok := it.Next(); ok; _, _, ok = it.Next() {
			n++
		}
		if n > len(b)/16 || uint32(n) > count {
			t.Fatal(n, "items of", count)
		}
	})
}
