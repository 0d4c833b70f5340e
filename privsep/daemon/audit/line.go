package audit

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/internal/mask"
	"github.com/privhelper/privhelper/internal/pyjson"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/command"
)

// The bounds, in bytes as they are written. Together with names and numbers they stay below maxLine: what rsyslog takes of
// one message unless told otherwise, and enough to see what was asked. Nobody fills a disk or a pipe with one request,
// which may have a MiB.
const (
	maxLine    = 8 << 10
	maxArgv    = 2 << 10
	maxCommand = 2 << 10
	maxEnv     = 384
	maxLocks   = 256
	maxText    = 300
)

// line renders an entry, without the newline. key and result open it.
func (e Entry) line(key, result string, now time.Time, end *End) []byte {
	v := e.Verdict
	var names mask.Masker
	argv, cut := first(e.Request.Argv, maxArgv)
	shown := names.Args(argv)
	values := mask.New(secrets(argv, shown)...)
	o := object{}
	o.String("time", now.UTC().Format(time.RFC3339Nano))
	o.String(key, result)
	o.Int("client_uid", int64(e.UID))
	o.Int("client_gid", int64(e.GID))
	o.Int("client_pid", int64(e.PID))
	if e.Program != "" {
		o.text("client", e.Program)
	}
	o.String("context", command.Context.Name())
	o.list("argv", e.Request.Argv, names.Args, maxArgv)
	if len(e.Request.Env) > 0 {
		o.list("env", e.Request.Env, names.Env, maxEnv)
	}
	if e.Request.Dir != "" {
		o.text("dir", e.Request.Dir)
	}
	rule, runAs := v.Rule, v.RunAs
	if v.Learned {
		o.Raw("learned", []byte("true"))
		if rule == nil { // and refused
			rule, runAs = v.Near[0].Rule, v.Near[0].Rule.RunAs
		}
	}
	if rule != nil {
		o.text("rule", rule.Name)
		o.text("file", rule.File)
		o.Int("line", int64(rule.Line))
		o.text("run_as", runAs)
	}
	if v.Outcome == filters.Match {
		o.list("command", v.Command(), values.Args, maxCommand)
		if len(v.Env) > 0 {
			o.list("command_env", v.Env, values.Env, maxEnv)
		}
	}
	if e.Capabilities != nil {
		o.String("capabilities", capabilities(*e.Capabilities))
	}
	if len(e.Locks) > 0 {
		o.list("lock", e.Locks, nil, maxLocks)
		o.seconds("waited", e.Waited)
	}
	if e.Fence != "" {
		o.text("fence", e.Fence)
	}
	if e.Token != 0 {
		o.Int("token", e.Token)
	}
	if len(v.Unsafe) > 0 {
		o.Strings("unsafe", v.Unsafe)
	}
	if end != nil {
		o.end(end)
	}
	// Both quote arguments. In those that were cut nobody has looked for secrets.
	quote := func(key, text string) {
		if cut == 0 {
			o.text(key, values.Text(text))
		}
	}
	if len(v.Near) > 0 {
		quote("reason", v.Near[0].Reason)
	}
	if e.Err != nil {
		quote("error", e.Err.Error())
	}
	o.String("policy", e.Policy)
	return o.End()
}

// capabilities are names, or, where they are too many to be read, the kernel's hexadecimal mask.
func capabilities(set privsep.Capabilities) string {
	if n := bits.OnesCount64(uint64(set)); n > 8 {
		return fmt.Sprintf("%#016x", uint64(set))
	}
	return set.String()
}

// maxSecrets bounds the work that one request can ask for.
const maxSecrets = 32

// secrets returns what is masked in a command line: between what the two have in common at either end.
func secrets(argv, masked []string) (found []string) {
	for i, s := range masked {
		if s == argv[i] || len(found) == maxSecrets {
			continue
		}
		from, to := strings.Index(s, mask.Masked), strings.LastIndex(s, mask.Masked)
		if end := len(argv[i]) - (len(s) - to - len(mask.Masked)); from >= 0 && from+3 <= end && end <= len(argv[i]) {
			found = append(found, argv[i][from:end]) // a shorter one would be found everywhere
		}
	}
	return found
}

// object is a pyjson.Object whose longer values have bounds.
type object struct{ pyjson.Object }

func (o *object) text(key, value string) {
	kept, _ := cut(value, maxText)
	o.String(key, kept)
}

// seconds adds a duration, to the microsecond.
func (o *object) seconds(key string, d time.Duration) {
	o.Raw(key, strconv.AppendFloat(nil, d.Seconds(), 'f', 6, 64))
}

// end adds how a command ended and what it used.
func (o *object) end(e *End) {
	o.Int("pid", int64(e.PID))
	if e.Signal != 0 {
		o.Int("signal", int64(e.Signal))
	} else {
		o.Int("exit", int64(e.Code))
	}
	o.seconds("duration", e.Took)
	o.seconds("user", e.Usage.User)
	o.seconds("system", e.Usage.System)
	o.Int("maxrss_kib", e.Usage.MaxRSS)
}

// list adds the strings that fit into limit bytes, masked, the last of them in part. If any byte is left out it adds
// KEY_cut, how many, and KEY_count, how many strings there were.
func (o *object) list(key string, list []string, masked func([]string) []string, limit int) {
	head, left := first(list, limit)
	shown := head
	if masked != nil {
		shown = masked(head)
	}
	kept := make([]string, 0, len(shown))
	for _, s := range shown {
		part, missing := cut(s, limit)
		left += missing
		kept = append(kept, part)
		if limit -= len(pyjson.String(nil, part)) + len(", "); missing > 0 || limit <= 0 {
			break
		}
	}
	for _, s := range shown[len(kept):] {
		left += len(s)
	}
	o.Strings(key, kept)
	if left > 0 || len(kept) < len(list) {
		o.Int(key+"_cut", int64(left))
		o.Int(key+"_count", int64(len(list)))
	}
}

// first returns the strings that could fit into limit bytes, each with its quotes and comma, the last of them cut, and
// how many bytes follow. Only these are masked: that takes a time which grows faster than a long request.
func first(list []string, limit int) (head []string, left int) {
	for _, s := range list {
		n := min(len(s), limit)
		if n > 0 || len(s) == 0 && limit > 0 {
			head = append(head, s[:n])
		}
		left += len(s) - n
		limit -= n + len(`"", `)
		limit = max(limit, 0)
	}
	return head, left
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
