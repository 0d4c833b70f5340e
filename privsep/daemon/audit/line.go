package audit

import (
	"time"
	"unicode/utf8"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/pyjson"
)

// The bounds, in bytes as they are written. Together with names and numbers they stay below maxLine: what rsyslog takes of
// one message unless told otherwise, and enough to see what was asked. Nobody fills a disk or a pipe with one request,
// which may have a MiB.
const (
	maxLine    = 8 << 10
	maxArgv    = 2 << 10
	maxCommand = 2 << 10
	maxEnv     = 512
	maxText    = 350
)

// line renders an entry, without the newline. key and result open it.
func (e Entry) line(key, result string, now time.Time) []byte {
	v := e.Verdict
	var m masker
	argv, env := m.list(e.Request.Argv), m.list(e.Request.Env)
	o := object{}
	o.String("time", now.UTC().Format(time.RFC3339Nano))
	o.String(key, result)
	o.Int("client_uid", int64(e.UID))
	o.Int("client_pid", int64(e.PID))
	o.list("argv", argv, maxArgv)
	if len(env) > 0 {
		o.list("env", env, maxEnv)
	}
	if e.Request.Dir != "" {
		o.text("dir", e.Request.Dir)
	}
	if v.Rule != nil {
		o.text("rule", v.Rule.Name)
		o.text("file", v.Rule.File)
		o.Int("line", int64(v.Rule.Line))
		o.text("run_as", v.RunAs)
	}
	if v.Outcome == filters.Match {
		o.list("command", m.list(v.Command()), maxCommand)
		if len(v.Env) > 0 {
			o.list("command_env", m.list(v.Env), maxEnv)
		}
	}
	if len(v.Unsafe) > 0 {
		o.Strings("unsafe", v.Unsafe)
	}
	if len(v.Near) > 0 {
		o.text("reason", m.text(v.Near[0].Reason))
	}
	if e.Err != nil {
		o.text("error", m.text(e.Err.Error()))
	}
	o.String("policy", e.Policy)
	return o.End()
}

// object is a pyjson.Object whose longer values have bounds.
type object struct{ pyjson.Object }

func (o *object) text(key, value string) {
	kept, _ := cut(value, maxText)
	o.String(key, kept)
}

// list adds the strings that fit into limit bytes, the last of them in part, and KEY_cut: how many bytes of the strings
// are left out.
func (o *object) list(key string, list []string, limit int) {
	kept, left := make([]string, 0, min(len(list), limit)), 0
	for _, s := range list {
		if limit <= 0 {
			left += len(s)
			continue
		}
		head, missing := cut(s, limit)
		kept, left = append(kept, head), left+missing
		limit -= len(pyjson.String(nil, head)) + len(", ")
		if missing > 0 {
			limit = 0
		}
	}
	o.Strings(key, kept)
	if missing := len(list) - len(kept); missing > 0 || left > 0 {
		o.Int(key+"_cut", int64(left))
		o.Int(key+"_count", int64(len(list)))
	}
}

// cut returns the longest head of s whose escaped form has at most limit bytes, and how many bytes follow it.
func cut(s string, limit int) (head string, missing int) {
	if 6*len(s) <= limit { // no byte is written as more than \udcXX
		return s, 0
	}
	written := 0
	for i := 0; i < len(s); {
		_, size := utf8.DecodeRuneInString(s[i:])
		written += len(pyjson.String(nil, s[i:i+size])) - len(`""`)
		if written > limit {
			return s[:i], len(s) - i
		}
		i += size
	}
	return s, 0
}
