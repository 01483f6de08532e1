//go:build linux

package vring

import (
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// TestCodec decodes payloads as front-ends lay them out, byte by byte.
func TestCodec(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		parse     func([]byte) any
		want      any
	}{
		{"ring state", "02000000 00040000", func(b []byte) any { return parseRingState(b) }, ringState{2, 1024}},
		{
			"ring address", "01000000 01000000 0010000000000000 0020000000000000 0030000000000000 0040000000000000",
			func(b []byte) any { return parseRingAddr(b) },
			ringAddr{1, 1, 0x1000, 0x2000, 0x3000, 0x4000},
		},
		{
			"memory table", "02000000 00000000 0000000000000000 0000002000000000 00000000007f0000 0000000000000000" +
				"0000000001000000 0010000000000000 00000080007f0000 0000002000000000",
			func(b []byte) any { r, _ := parseMemTable(b); return r },
			[]Region{{0, 0x20000000, 0x7f0000000000, 0}, {1 << 32, 0x1000, 0x7f0080000000, 0x20000000}},
		},
		{"config", "24000000 04000000 01000000", func(b []byte) any { return parseConfigHead(b) }, configHead{36, 4, 1}},
		{"ring file", "0300000000000000", func(b []byte) any { r, _ := parseRingFile(b); return r }, ringFile{Index: 3}},
		{"no ring file", "ff01000000000000", func(b []byte) any { r, _ := parseRingFile(b); return r }, ringFile{255, true}},
		{"header", "0c000000 09000000 08000000", func(b []byte) any { h, _ := parseHeader(b); return h }, header{msgSetVringKick, 9, 8}},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(c.hex, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := c.parse(b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestHeaderRefused(t *testing.T) {
	for _, h := range []header{
		{msgGetFeatures, 0, 0},
		{msgGetFeatures, 2, 0},
		{msgGetFeatures, 3, 0},
		{msgGetFeatures, flagVersion | flagReply, 0},
		{msgGetFeatures, flagVersion | 1<<4, 0},
		{msgGetFeatures, flagVersion | 1<<31, 0},
		{msgGetFeatures, flagVersion, maxPayload + 1},
		{msgGetFeatures, flagVersion, 0xffffffff},
	} {
		if _, err := parseHeader(h.append(nil)); err == nil {
			t.Errorf("%+v was taken", h)
		}
	}
	if _, err := parseHeader((header{999, flagVersion | flagNeedReply, maxPayload}).append(nil)); err != nil {
		t.Errorf("an unknown request of a legal shape: %v", err)
	}
}

func TestMemTableRefused(t *testing.T) {
	good := tableOf(testRegion, testRegion)
	for name, p := range map[string][]byte{
		"short":    good[:7],
		"none":     tableOf(),
		"too many": native.AppendUint64(nil, maxTable+1),
		"all ones": append(native.AppendUint64(nil, 0xffffffff), good[8:]...),
		"cut off":  good[:len(good)-1],
	} {
		if _, err := parseMemTable(p); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
	// QEMU of old sends all eight places, whatever their number
	if rs, err := parseMemTable(append(good, make([]byte, 6*regionSize)...)); err != nil || len(rs) != 2 {
		t.Errorf("unused places: %d regions, %v", len(rs), err)
	}
}

func TestMessageNames(t *testing.T) {
	for id, want := range map[messageID]string{
		0: "request 0", msgGetFeatures: "GET_FEATURES", msgSetVringEnable: "SET_VRING_ENABLE", msgSetConfig: "SET_CONFIG",
		msgRemMemReg: "REM_MEM_REG", 44: "GET_SHMEM_CONFIG", 45: "request 45", 1 << 31: "request 2147483648",
	} {
		if got := id.String(); got != want {
			t.Errorf("%d is %q, want %q", uint32(id), got, want)
		}
	}
}
