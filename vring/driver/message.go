//go:build linux

package driver

import "fmt"

// Req is a request of the vhost-user protocol, in the front-end's direction.
type Req uint32

// The requests that are sent here.
const (
	GetFeatures         Req = 1
	SetFeatures         Req = 2
	SetOwner            Req = 3
	SetMemTable         Req = 5
	SetLogBase          Req = 6
	SetVringNum         Req = 8
	SetVringAddr        Req = 9
	SetVringBase        Req = 10
	GetVringBase        Req = 11
	SetVringKick        Req = 12
	SetVringCall        Req = 13
	SetVringErr         Req = 14
	GetProtocolFeatures Req = 15
	SetProtocolFeatures Req = 16
	GetQueueNum         Req = 17
	SetVringEnable      Req = 18
	SetBackendReqFD     Req = 21
	GetConfig           Req = 24
	ResetDevice         Req = 34
	GetMaxMemSlots      Req = 36
	AddMemReg           Req = 37
	RemMemReg           Req = 38
)

var reqNames = map[Req]string{
	GetFeatures: "GET_FEATURES", SetFeatures: "SET_FEATURES", SetOwner: "SET_OWNER", SetMemTable: "SET_MEM_TABLE",
	SetLogBase: "SET_LOG_BASE", SetVringNum: "SET_VRING_NUM", SetVringAddr: "SET_VRING_ADDR", SetVringBase: "SET_VRING_BASE",
	GetVringBase: "GET_VRING_BASE", SetVringKick: "SET_VRING_KICK", SetVringCall: "SET_VRING_CALL", SetVringErr: "SET_VRING_ERR",
	GetProtocolFeatures: "GET_PROTOCOL_FEATURES", SetProtocolFeatures: "SET_PROTOCOL_FEATURES", GetQueueNum: "GET_QUEUE_NUM",
	SetVringEnable: "SET_VRING_ENABLE", SetBackendReqFD: "SET_BACKEND_REQ_FD", GetConfig: "GET_CONFIG", ResetDevice: "RESET_DEVICE",
	GetMaxMemSlots: "GET_MAX_MEM_SLOTS", AddMemReg: "ADD_MEM_REG", RemMemReg: "REM_MEM_REG",
}

// String is the protocol's name.
func (r Req) String() string {
	if s, ok := reqNames[r]; ok {
		return s
	}
	return fmt.Sprintf("request %d", uint32(r))
}

// Bits of a message's flags.
const (
	FlagVersion   = 1
	FlagReply     = 1 << 2
	FlagNeedReply = 1 << 3
)

// Virtio features.
const (
	FeatureLogAll     = 1 << 26 // VHOST_F_LOG_ALL
	FeatureIndirect   = 1 << 28 // VIRTIO_F_INDIRECT_DESC
	FeatureEventIdx   = 1 << 29 // VIRTIO_F_EVENT_IDX
	FeatureProtocol   = 1 << 30 // VHOST_USER_F_PROTOCOL_FEATURES
	FeatureVersion1   = 1 << 32 // VIRTIO_F_VERSION_1
	FeatureRingPacked = 1 << 34 // VIRTIO_F_RING_PACKED
)

// Protocol features.
const (
	ProtocolMQ          = 1 << 0
	ProtocolLogShmfd    = 1 << 1
	ProtocolReplyAck    = 1 << 3
	ProtocolConfig      = 1 << 9
	ProtocolResetDevice = 1 << 13
	ProtocolMemSlots    = 1 << 15

	// ProtocolAll are those that this package can make use of.
	ProtocolAll = ProtocolMQ | ProtocolLogShmfd | ProtocolReplyAck | ProtocolResetDevice | ProtocolMemSlots
)

const (
	headerSize = 12
	maxBody    = 4096
	vringLog   = 1 // VHOST_VRING_F_LOG
)
