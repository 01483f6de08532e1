//go:build linux

package testmount

import (
	"strings"
	"sync"
)

// Bytes of a daemon's log: kept at most, shown when a test fails.
const (
	logKept  = 1 << 20
	logShown = 8 << 10
)

// logBuffer keeps the newest of what a daemon prints: when logKept bytes are reached, the older half goes.
type logBuffer struct {
	mu  sync.Mutex
	buf []byte // guarded by mu
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.buf)+len(p) > logKept {
		l.buf = append([]byte("[...]\n"), l.buf[len(l.buf)/2:]...)
	}
	l.buf = append(l.buf, p...)
	return len(p), nil
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.buf)
}

func (l *logBuffer) tail() string {
	s := l.String()
	if len(s) <= logShown {
		return s
	}
	s = s[len(s)-logShown:]
	return "[...]" + s[strings.IndexByte(s, '\n')+1:]
}
