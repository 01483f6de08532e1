//go:build linux

package vring

import (
	"encoding/binary"
	"fmt"
)

// A message is a header and a payload of header.Size bytes, in the machine's byte order; the requests are named as in the
// protocol's specification, without VHOST_USER_.
const (
	headerSize = 12
	// maxPayload is far above the largest legal message, a table of maxTable regions.
	maxPayload = 4096
	// maxTable is the most regions that SET_MEM_TABLE may carry: 8 in QEMU, 32 in other front-ends. More come by ADD_MEM_REG.
	maxTable = 32
)

// Flags of a header.
const (
	flagVersionMask = 3
	flagVersion     = 1
	flagReply       = 1 << 2
	flagNeedReply   = 1 << 3
)

type messageID uint32

const (
	msgGetFeatures         messageID = 1
	msgSetFeatures         messageID = 2
	msgSetOwner            messageID = 3
	msgResetOwner          messageID = 4
	msgSetMemTable         messageID = 5
	msgSetLogBase          messageID = 6
	msgSetLogFD            messageID = 7
	msgSetVringNum         messageID = 8
	msgSetVringAddr        messageID = 9
	msgSetVringBase        messageID = 10
	msgGetVringBase        messageID = 11
	msgSetVringKick        messageID = 12
	msgSetVringCall        messageID = 13
	msgSetVringErr         messageID = 14
	msgGetProtocolFeatures messageID = 15
	msgSetProtocolFeatures messageID = 16
	msgGetQueueNum         messageID = 17
	msgSetVringEnable      messageID = 18
	msgSetBackendReqFD     messageID = 21
	msgGetConfig           messageID = 24
	msgSetConfig           messageID = 25
	msgResetDevice         messageID = 34
	msgGetMaxMemSlots      messageID = 36
	msgAddMemReg           messageID = 37
	msgRemMemReg           messageID = 38
)

// messageNames has the requests that are not served too, for what is said of them.
var messageNames = [...]string{
	1: "GET_FEATURES", "SET_FEATURES", "SET_OWNER", "RESET_OWNER", "SET_MEM_TABLE", "SET_LOG_BASE", "SET_LOG_FD",
	"SET_VRING_NUM", "SET_VRING_ADDR", "SET_VRING_BASE", "GET_VRING_BASE", "SET_VRING_KICK", "SET_VRING_CALL", "SET_VRING_ERR",
	"GET_PROTOCOL_FEATURES", "SET_PROTOCOL_FEATURES", "GET_QUEUE_NUM", "SET_VRING_ENABLE", "SEND_RARP", "NET_SET_MTU",
	"SET_BACKEND_REQ_FD", "IOTLB_MSG", "SET_VRING_ENDIAN", "GET_CONFIG", "SET_CONFIG", "CREATE_CRYPTO_SESSION",
	"CLOSE_CRYPTO_SESSION", "POSTCOPY_ADVISE", "POSTCOPY_LISTEN", "POSTCOPY_END", "GET_INFLIGHT_FD", "SET_INFLIGHT_FD",
	"GPU_SET_SOCKET", "RESET_DEVICE", "VRING_KICK", "GET_MAX_MEM_SLOTS", "ADD_MEM_REG", "REM_MEM_REG", "SET_STATUS",
	"GET_STATUS", "GET_SHARED_OBJECT", "SET_DEVICE_STATE_FD", "CHECK_DEVICE_STATE", "GET_SHMEM_CONFIG",
}

func (id messageID) String() string {
	if id > 0 && id < messageID(len(messageNames)) {
		return messageNames[id]
	}
	return fmt.Sprintf("request %d", uint32(id))
}

// Bits of GET_PROTOCOL_FEATURES.
const (
	protoMQ             = 1 << 0
	protoLogShmfd       = 1 << 1
	protoReplyAck       = 1 << 3
	protoBackendReq     = 1 << 5
	protoConfig         = 1 << 9
	protoBackendSendFD  = 1 << 10
	protoResetDevice    = 1 << 13
	protoConfigMemSlots = 1 << 15
)

// Bits of GET_FEATURES.
const (
	featureLogAll     = 1 << 26
	featureIndirect   = 1 << 28
	featureEventIdx   = 1 << 29
	featureProtocol   = 1 << 30 // VHOST_USER_F_PROTOCOL_FEATURES
	featureVersion1   = 1 << 32
	featureRingPacked = 1 << 34
)

// Payload sizes.
const (
	u64Size        = 8
	ringStateSize  = 8
	ringAddrSize   = 40
	regionSize     = 32
	tableHeadSize  = 8
	memRegSize     = 8 + regionSize
	logBaseSize    = 16
	configHeadSize = 12
	maxConfig      = 256
)

var native = binary.NativeEndian

type header struct {
	ID    messageID
	Flags uint32
	Size  uint32
}

// parseHeader refuses what would leave the stream out of step or cannot be a request.
func parseHeader(b []byte) (header, error) {
	h := header{messageID(native.Uint32(b)), native.Uint32(b[4:]), native.Uint32(b[8:])}
	switch {
	case h.Flags&flagVersionMask != flagVersion:
		return h, fmt.Errorf("%v: version %d of the protocol, only 1 is known", h.ID, h.Flags&flagVersionMask)
	case h.Flags&^(flagVersionMask|flagNeedReply) != 0:
		return h, fmt.Errorf("%v: flags %#x are not those of a request", h.ID, h.Flags)
	case h.Size > maxPayload:
		return h, fmt.Errorf("%v: payload of %d bytes, the limit is %d", h.ID, h.Size, maxPayload)
	}
	return h, nil
}

func (h header) append(b []byte) []byte {
	b = native.AppendUint32(b, uint32(h.ID))
	b = native.AppendUint32(b, h.Flags)
	return native.AppendUint32(b, h.Size)
}

func appendU64(v uint64) []byte { return native.AppendUint64(nil, v) }

// ringState is struct vhost_vring_state.
type ringState struct{ Index, Num uint32 }

func parseRingState(p []byte) ringState { return ringState{native.Uint32(p), native.Uint32(p[4:])} }

func (r ringState) bytes() []byte {
	return native.AppendUint32(native.AppendUint32(nil, r.Index), r.Num)
}

// ringAddr is struct vhost_vring_addr. Desc, Used and Avail are addresses of the front-end, Log is one of the guest.
type ringAddr struct {
	Index, Flags           uint32
	Desc, Used, Avail, Log uint64
}

// addrFlagLog (VHOST_VRING_F_LOG): writes to the used ring are to be logged, from Log on.
const addrFlagLog = 1

func parseRingAddr(p []byte) ringAddr {
	return ringAddr{
		native.Uint32(p), native.Uint32(p[4:]),
		native.Uint64(p[8:]), native.Uint64(p[16:]), native.Uint64(p[24:]), native.Uint64(p[32:]),
	}
}

// ringFile is the payload of SET_VRING_KICK, CALL and ERR: a ring, and whether a descriptor comes with it.
type ringFile struct {
	Index uint32
	NoFD  bool
}

func parseRingFile(p []byte) (ringFile, error) {
	v := native.Uint64(p)
	if v>>9 != 0 {
		return ringFile{}, fmt.Errorf("reserved bits in %#x", v)
	}
	return ringFile{uint32(v & 0xff), v&0x100 != 0}, nil
}

func parseRegion(p []byte) Region {
	return Region{GPA: native.Uint64(p), Size: native.Uint64(p[8:]), UVA: native.Uint64(p[16:]), Offset: native.Uint64(p[24:])}
}

// parseMemTable reads the payload of SET_MEM_TABLE. Front-ends send either as many regions as they announce, or the
// whole struct with the rest unused.
func parseMemTable(p []byte) ([]Region, error) {
	if len(p) < tableHeadSize {
		return nil, fmt.Errorf("payload of %d bytes, want %d and more", len(p), tableHeadSize)
	}
	n := native.Uint32(p)
	if n == 0 || n > maxTable {
		return nil, fmt.Errorf("%d regions, want 1 to %d", n, maxTable)
	}
	p = p[tableHeadSize:]
	if len(p) < int(n)*regionSize {
		return nil, fmt.Errorf("%d regions in %d bytes", n, len(p))
	}
	rs := make([]Region, n)
	for i := range rs {
		rs[i] = parseRegion(p[i*regionSize:])
	}
	return rs, nil
}

type configHead struct{ Offset, Size, Flags uint32 }

func parseConfigHead(p []byte) configHead {
	return configHead{native.Uint32(p), native.Uint32(p[4:]), native.Uint32(p[8:])}
}
