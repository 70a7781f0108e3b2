// Package logging writes one JSON object a line, in the fields that log readers know.
package logging

import (
	"io"
	"log/slog"
	"strings"
	"time"
)

// New makes the logger of a service: timestamp, level, message, service, instance and version are in every line.
func New(out io.Writer, service, instance, version string) *slog.Logger {
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{ReplaceAttr: rename})
	return slog.New(handler).With("service", service, "instance", instance, "version", version)
}

// Operation is what a line about one operation carries; err may be nil.
func Operation(operation string, took time.Duration, err error) []any {
	fields := []any{"operation", operation, "duration", took.Round(time.Microsecond).String()}
	if err != nil {
		fields = append(fields, "error", err.Error())
	}
	return fields
}

func rename(groups []string, attribute slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return attribute
	}
	switch attribute.Key {
	case slog.TimeKey:
		return slog.String("timestamp", attribute.Value.Time().UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	case slog.LevelKey:
		return slog.String(slog.LevelKey, strings.ToLower(attribute.Value.String()))
	case slog.MessageKey:
		return slog.Attr{Key: "message", Value: attribute.Value}
	}
	return attribute
}
