//go:build linux

package vring

import (
	"bytes"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A fuzzed conversation is a list of requests: number, a byte that says what goes with it, the payload's length, payload.
const (
	fuzzNeedReply = 1 << 0
	fuzzOne       = 1 << 1 // descriptors
	fuzzTwo       = 2 << 1
	fuzzTooMany   = 3 << 1
	fuzzFD        = 3 << 1
	fuzzMemory    = 1 << 3 // they are of memory, else eventfds
	fuzzRawFlags  = 0xf0   // all set: the byte is xored to the header's flags
)

func fuzzOp(b []byte, id messageID, how byte, payload []byte) []byte {
	return append(append(b, byte(id), how, byte(len(payload))), payload...)
}

// fuzzStart is a conversation up to where ring 0 runs.
func fuzzStart() []byte {
	b := fuzzOp(nil, msgSetProtocolFeatures, 0, appendU64(allProtocol|protoConfig))
	b = fuzzOp(b, msgSetFeatures, fuzzNeedReply, appendU64(splitBits))
	b = fuzzOp(b, msgAddMemReg, fuzzNeedReply|fuzzOne|fuzzMemory, regOf(testRegion))
	b = fuzzOp(b, msgSetVringNum, fuzzNeedReply, ringState{0, 256}.bytes())
	b = fuzzOp(b, msgSetVringBase, fuzzNeedReply, ringState{0, 0}.bytes())
	b = fuzzOp(b, msgSetVringAddr, fuzzNeedReply, testAddr(0).bytes())
	b = fuzzOp(b, msgSetVringCall, fuzzNeedReply|fuzzOne, appendU64(0))
	b = fuzzOp(b, msgSetVringKick, fuzzNeedReply|fuzzOne, appendU64(0))
	return fuzzOp(b, msgSetVringEnable, fuzzNeedReply, ringState{0, 1}.bytes())
}

// FuzzSession plays a front-end that sends anything. Whatever comes, the session ends when the front-end does, every request
// gets one reply at most and in order, the device is told nothing that makes no sense, and no descriptor and no mapping stays.
func FuzzSession(f *testing.F) {
	start := fuzzStart()
	logged := testAddr(0)
	logged.Flags, logged.Log = addrFlagLog, testRegion.GPA+0x8000
	for _, then := range [][]byte{
		nil,
		fuzzOp(fuzzOp(nil, msgSetVringEnable, fuzzNeedReply, ringState{0, 0}.bytes()), msgGetVringBase, 0, ringState{0, 0}.bytes()),
		fuzzOp(fuzzOp(nil, msgRemMemReg, fuzzNeedReply, regOf(testRegion)), msgResetDevice, fuzzNeedReply, nil),
		fuzzOp(nil, msgSetMemTable, fuzzOne|fuzzMemory, tableOf(testRegion)),
		fuzzOp(nil, msgSetMemTable, fuzzTwo|fuzzMemory, tableOf(testRegion, Region{GPA: 0, Size: 4096, UVA: 4096, Offset: 4096})),
		fuzzOp(fuzzOp(fuzzOp(nil, msgSetLogBase, fuzzOne|fuzzMemory, append(appendU64(0x8000), appendU64(0)...)),
			msgSetFeatures, fuzzNeedReply, appendU64(splitBits|featureLogAll)), msgSetVringAddr, fuzzNeedReply, logged.bytes()),
		fuzzOp(fuzzOp(nil, msgGetConfig, 0, append([]byte{0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0}, make([]byte, 40)...)), msgSetConfig, 0, make([]byte, 20)),
		fuzzOp(fuzzOp(fuzzOp(nil, msgSetBackendReqFD, fuzzOne, nil), msgSetBackendReqFD, fuzzOne, nil), msgSetVringErr, fuzzNeedReply, appendU64(0x100)),
		fuzzOp(fuzzOp(nil, msgSetOwner, fuzzTooMany, nil), msgGetFeatures, 0, nil),
		fuzzOp(fuzzOp(nil, 31, fuzzNeedReply, make([]byte, 20)), msgGetQueueNum, 0, nil),
		fuzzOp(nil, msgGetFeatures, fuzzRawFlags, nil),
		fuzzOp(nil, msgSetVringKick, fuzzNeedReply|fuzzOne, appendU64(1))[:5],
	} {
		f.Add(append(bytes.Clone(start), then...))
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		f.Fatal(err)
	}
	memory, err := unix.MemfdCreate("vring-fuzz", unix.MFD_CLOEXEC)
	if err == nil {
		err = unix.Ftruncate(memory, 1<<20)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _, _ = unix.Close(event), unix.Close(memory) })
	f.Fuzz(func(t *testing.T, data []byte) {
		data = data[:min(len(data), 16<<10)] // the replies fit into the socket's buffer
		noLeak(t)
		target := newFakeTarget(t, 3)
		target.tag = "share"
		fe := newFrontend(t, target)
		sent := sendFuzzed(fe, data, event, memory)
		if err := unix.Shutdown(fe.fd, unix.SHUT_WR); err != nil && err != unix.ENOTCONN {
			t.Fatal(err)
		}
		_ = fe.wait()
		checkReplies(fe, sent)
		_ = unix.Close(fe.fd)
		for i := range target.rings {
			if target.rings[i].running {
				t.Errorf("queue %d runs after the end", i)
			}
		}
		target.release()
		maps, err := os.ReadFile("/proc/self/maps")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(maps, []byte("vring-fuzz")) {
			t.Error("memory of the front-end is still mapped")
		}
	})
}

// sendFuzzed sends the requests and returns their numbers.
func sendFuzzed(f *frontend, data []byte, event, memory int) (sent []messageID) {
	for len(data) >= 3 {
		id, how, n := messageID(data[0]), data[1], min(int(data[2]), len(data)-3)
		h := header{id, flagVersion, uint32(data[2])}
		if id == 0xff {
			h.Size = maxPayload + 1
		}
		if how&fuzzNeedReply != 0 {
			h.Flags |= flagNeedReply
		}
		if how&fuzzRawFlags == fuzzRawFlags {
			h.Flags ^= uint32(how)
		}
		fds := make([]int, [...]int{0, 1, 2, maxFDs + 1}[how&fuzzFD>>1])
		for i := range fds {
			fds[i] = event
			if how&fuzzMemory != 0 {
				fds[i] = memory
			}
		}
		if f.raw(append(h.append(nil), data[3:3+n]...), fds...) != nil {
			return sent // the session has hung up
		}
		sent = append(sent, id)
		data = data[3+n:]
	}
	return sent
}

// checkReplies reads all replies: each belongs to a request that was sent after the one before.
func checkReplies(f *frontend, sent []messageID) {
	for {
		err := f.read()
		if err == io.EOF {
			return
		}
		if err != nil {
			f.Fatal(err)
		}
		if f.Flags != flagVersion|flagReply {
			f.Fatalf("reply to %v has flags %#x", f.ID, f.Flags)
		}
		for len(sent) > 0 && sent[0] != f.ID {
			sent = sent[1:]
		}
		if len(sent) == 0 {
			f.Fatalf("a reply to %v, for which nobody asked", f.ID)
		}
		sent = sent[1:]
	}
}
