package processutils

import (
	"context"
	"log/slog"
)

// log writes one record about the command. The command line is masked, and only when the record is wanted.
func (c *Cmd) log(ctx context.Context, message string, attrs ...slog.Attr) {
	logger, level := c.Logger, slog.LevelDebug
	if logger == nil {
		logger = slog.Default()
	}
	if c.LogLevel != nil {
		level = c.LogLevel.Level()
	}
	if logger.Enabled(ctx, level) {
		logger.LogAttrs(ctx, level, message, append([]slog.Attr{slog.Any("command", *c)}, attrs...)...)
	}
}

// logFailure logs an attempt that failed with its output, if the Cmd says so. Retry says of which attempts.
func (c *Cmd) logFailure(ctx context.Context, err *ExecError) {
	if c.LogErrors != LogErrorsDefault {
		c.log(ctx, "command failed", slog.Any("failure", err))
	}
}
