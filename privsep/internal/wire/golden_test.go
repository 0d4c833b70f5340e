package wire

import (
	"encoding/hex"
	"flag"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep"
)

var update = flag.Bool("update", false, "write testdata/golden anew: a new Version of the protocol")

// golden is one frame of each message, as docs/wire.md refers to them.
var golden = []struct {
	name  string
	from  Side
	files int
	m     Message
}{
	{"hello", FromHelper, 0, Hello{Version: 2, Context: "net", PID: 4321, UID: 990, GID: 991, Groups: []uint32{4, 65534},
		Keep: privsep.Caps(privsep.CAP_NET_ADMIN), Bounding: privsep.Caps(privsep.CAP_NET_ADMIN, privsep.CAP_NET_RAW), NoNewPrivs: true,
		MaxFrame: MaxFromClient, Slots: 8, Queue: 64, Policy: "sha256:00", Trees: "cgroup",
		Entrypoints: []privsep.Declaration{{Name: "net.set_mtu", Fingerprint: "{link:str,mtu:i64} -> {}"}}}},
	{"ping", FromClient, 0, Ping{ID: 1}},
	{"pong", FromHelper, 0, Pong{ID: 1}},
	{"call", FromClient, 2, Call{ID: 300, Entrypoint: "net.set_mtu", Timeout: 1500 * time.Millisecond, Token: 77, Args: []byte{0x92, 0x00, 0x01}}},
	{"ret", FromHelper, 1, Return{ID: 300, Reply: []byte{0x00}}},
	{"err", FromHelper, 0, Error{ID: 300, Code: "net.link_busy", Errno: syscall.EBUSY, Message: "the link is busy"}},
	{"log", FromHelper, 0, Log{Call: 300, Level: slog.LevelWarn, Time: time.Unix(1700000000, 5), Message: "slow", Dropped: 2, Attrs: []LogAttr{
		{[]string{"link", "name"}, slog.StringValue("eth0")}, {[]string{"delta"}, slog.Int64Value(-1)}, {[]string{"bytes"}, slog.Uint64Value(1 << 63)},
		{[]string{"up"}, slog.BoolValue(true)}, {[]string{"took"}, slog.DurationValue(time.Second)}}}},
	{"cancel", FromClient, 0, Cancel{ID: 300}},
	{"started", FromHelper, 0, Started{ID: 300, PID: 4400, Rule: "net.filters:12 ip"}},
	{"signal", FromClient, 0, Signal{ID: 300, Signal: syscall.SIGTERM}},
}

// TestGolden fails where a frame changes: the other side may be another build.
func TestGolden(t *testing.T) {
	seen := map[Type]bool{}
	for _, g := range golden {
		seen[g.m.Type()] = true
		path := filepath.Join("testdata", "golden", g.name+".hex")
		got := appendFrame(nil, g.m, g.files)
		if *update {
			if err := os.WriteFile(path, []byte(hex.EncodeToString(got)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := hex.DecodeString(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if string(got) != string(want) {
			t.Errorf("%s is\n%x, and was\n%x", g.name, got, want)
		}
		m, files, err := parse(want[4:], g.from)
		if err != nil || files != g.files || !reflect.DeepEqual(m, g.m) {
			t.Errorf("%s reads as %+v with %d files, %v", g.name, m, files, err)
		}
		if _, _, err := parse(want[4:], !g.from); err == nil {
			t.Errorf("%s may come from %s", g.name, !g.from)
		}
		for n := range want[4:] {
			if _, _, err := parse(want[4:4+n], g.from); err == nil {
				t.Errorf("%s: %d of %d bytes read as a message", g.name, n, len(want)-4)
			}
		}
		if _, _, err := parse(append(want[4:], 0xc0), g.from); err == nil {
			t.Errorf("%s: a byte behind it passes", g.name)
		}
	}
	if len(seen) != len(typeNames) {
		t.Errorf("%d of %d messages have a golden frame", len(seen), len(typeNames))
	}
}
