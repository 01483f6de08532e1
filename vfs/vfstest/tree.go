package vfstest

import (
	"bytes"
	"fmt"
	"strings"
	"testing/fstest"
	"time"
)

const (
	treeFiles = 1500 // in many/
	bigSize   = 3<<20 + 5
)

var treeTime = time.Unix(1700000000, 0)

// Tree is what a read-only file system is to show where Config.ReadOnly is set.
func Tree() fstest.MapFS {
	file := func(b []byte) *fstest.MapFile { return &fstest.MapFile{Data: b, Mode: 0o644, ModTime: treeTime} }
	fs := fstest.MapFS{
		"hello":                  file([]byte("hello, world\n")),
		"empty":                  file(nil),
		"big":                    file(bigFile()),
		"sub/deep/er/file":       file([]byte("deep")),
		"sub/script":             {Data: []byte("#!/bin/sh\necho run\n"), Mode: 0o755, ModTime: treeTime},
		strings.Repeat("n", 255): file([]byte("long")),
	}
	for i := range treeFiles {
		fs[fmt.Sprintf("many/%d", i)] = file(fmt.Append(nil, i))
	}
	return fs
}

func bigFile() []byte { return bytes.Repeat([]byte("0123456789abcdef\n"), bigSize/17+1)[:bigSize] }
