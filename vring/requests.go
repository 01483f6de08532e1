//go:build linux

package vring

import (
	"errors"
	"fmt"
)

// rule is what is checked before a request runs.
type rule struct {
	run      func(*session, []byte) (reply []byte, err error)
	size     int    // of the payload
	maxFDs   int    // how many descriptors may come with it
	needs    uint64 // protocol features that must be agreed upon
	replies  bool   // the reply has a body of its own, which cannot say that the request failed
	optional bool   // a front-end that is not told of the failure is no worse off
}

// anySize: the request looks at its payload's length itself.
const anySize = -1

var rules = map[messageID]rule{
	msgGetFeatures:         {run: (*session).getFeatures, replies: true},
	msgSetFeatures:         {run: (*session).setFeatures, size: u64Size},
	msgSetOwner:            {run: (*session).nothing},
	msgResetOwner:          {run: (*session).nothing},
	msgGetProtocolFeatures: {run: (*session).getProtocolFeatures, replies: true},
	msgSetProtocolFeatures: {run: (*session).setProtocolFeatures, size: u64Size},
	msgGetQueueNum:         {run: (*session).getQueueNum, replies: true},
	msgSetBackendReqFD:     {run: (*session).setBackendReqFD, maxFDs: 1, needs: protoBackendReq},
	msgResetDevice:         {run: (*session).resetDevice, needs: protoResetDevice},

	msgSetMemTable:    {run: (*session).setMemTable, size: anySize, maxFDs: maxTable},
	msgGetMaxMemSlots: {run: (*session).getMaxMemSlots, needs: protoConfigMemSlots, replies: true},
	msgAddMemReg:      {run: (*session).addMemReg, size: memRegSize, maxFDs: 1, needs: protoConfigMemSlots},
	msgRemMemReg:      {run: (*session).remMemReg, size: memRegSize, maxFDs: 1, needs: protoConfigMemSlots},

	msgSetLogBase: {run: (*session).setLogBase, size: logBaseSize, maxFDs: 1, needs: protoLogShmfd},
	msgSetLogFD:   {run: (*session).setLogFD, maxFDs: 1, optional: true},

	msgSetVringNum:    {run: (*session).setVringNum, size: ringStateSize},
	msgSetVringAddr:   {run: (*session).setVringAddr, size: ringAddrSize},
	msgSetVringBase:   {run: (*session).setVringBase, size: ringStateSize},
	msgGetVringBase:   {run: (*session).getVringBase, size: ringStateSize, replies: true},
	msgSetVringKick:   {run: (*session).setVringKick, size: u64Size, maxFDs: 1},
	msgSetVringCall:   {run: (*session).setVringCall, size: u64Size, maxFDs: 1},
	msgSetVringErr:    {run: (*session).setVringErr, size: u64Size, maxFDs: 1},
	msgSetVringEnable: {run: (*session).setVringEnable, size: ringStateSize},

	msgGetConfig: {run: (*session).getConfig, size: anySize, needs: protoConfig, replies: true},
	msgSetConfig: {run: (*session).setConfig, size: anySize, needs: protoConfig, optional: true},
}

func (s *session) getFeatures([]byte) ([]byte, error) { return appendU64(s.t.features()), nil }

// setFeatures takes the driver's choice. Under rings that run, only logging is switched on and off.
func (s *session) setFeatures(p []byte) ([]byte, error) {
	f := native.Uint64(p)
	if extra := f &^ s.t.features(); extra != 0 {
		return nil, fmt.Errorf("features %#x were not offered", extra)
	}
	changed := f ^ s.features
	if changed&^featureLogAll != 0 && s.running() {
		return nil, fmt.Errorf("features %#x cannot change while rings run", changed)
	}
	s.features = f
	if f&featureProtocol == 0 {
		for i := range s.rings {
			s.rings[i].enabled = true // nothing will say so
		}
	}
	var err error
	for i := range s.rings {
		if changed != 0 {
			err = errors.Join(err, s.relog(i))
		}
		err = errors.Join(err, s.settle(i))
	}
	return nil, err
}

// nothing is done for SET_OWNER, which has no meaning here, and for RESET_OWNER, which is deprecated and best ignored.
func (s *session) nothing([]byte) ([]byte, error) { return nil, nil }

func (s *session) offered() uint64 {
	p := uint64(protoMQ | protoLogShmfd | protoReplyAck | protoBackendReq | protoBackendSendFD | protoResetDevice | protoConfigMemSlots)
	if s.t.config(0, 1) != nil {
		p |= protoConfig
	}
	return p
}

func (s *session) getProtocolFeatures([]byte) ([]byte, error) { return appendU64(s.offered()), nil }

func (s *session) setProtocolFeatures(p []byte) ([]byte, error) {
	f := native.Uint64(p)
	if extra := f &^ s.offered(); extra != 0 {
		return nil, fmt.Errorf("protocol features %#x were not offered", extra)
	}
	s.protocol = f
	return nil, nil
}

func (s *session) getQueueNum([]byte) ([]byte, error) { return appendU64(uint64(len(s.rings))), nil }

func (s *session) setBackendReqFD([]byte) ([]byte, error) {
	fd := s.wire.take()
	if fd < 0 {
		return nil, errors.New("came without a descriptor")
	}
	closeFD(s.backend)
	s.backend = fd
	return nil, nil
}

// resetDevice brings back the state before SET_FEATURES. What the front-end does not send again stays: protocol features,
// memory, and the descriptors for interrupts and errors.
func (s *session) resetDevice([]byte) ([]byte, error) {
	if err := s.t.reset(); err != nil {
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	s.features = 0
	for i := range s.rings {
		s.rings[i].reset()
	}
	return nil, nil
}

func (s *session) getConfig(p []byte) ([]byte, error) {
	if len(p) < configHeadSize {
		return nil, fmt.Errorf("payload of %d bytes, want %d and more", len(p), configHeadSize)
	}
	h := parseConfigHead(p)
	if h.Size > maxConfig || len(p) != configHeadSize+int(h.Size) {
		return []byte{}, nil // an empty reply says that it failed
	}
	c := s.t.config(h.Offset, h.Size)
	if len(c) != int(h.Size) {
		return []byte{}, nil
	}
	return append(append([]byte(nil), p[:configHeadSize]...), c...), nil
}

func (s *session) setConfig([]byte) ([]byte, error) {
	return nil, errors.New("the configuration is read-only")
}
