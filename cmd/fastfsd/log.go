package main

import (
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"

	"github.com/fastfsd/fastfsd/internal/config"
)

// newLogger makes the logger. daemon: stderr will not be there for long.
func newLogger(m *config.Process, daemon bool, stderr io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(m.LogLevel)); err != nil {
		return nil, &usageError{fmt.Errorf("log-level: %w", err)}
	}
	out := stderr
	opt := &slog.HandlerOptions{Level: level}
	switch {
	case m.LogFile != "":
		f, err := os.OpenFile(m.LogFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return nil, fmt.Errorf("log-file: %w", err)
		}
		out = f
	case daemon:
		w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_NOTICE, "fastfsd")
		if err != nil {
			out = io.Discard // no syslog here; errors before readiness still reach stderr
			break
		}
		out = w
		opt.ReplaceAttr = func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{} // syslog has its own
			}
			return a
		}
	}
	if m.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, opt)), nil
	}
	return slog.New(slog.NewTextHandler(out, opt)), nil
}
