package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/privsep/internal/strict"
)

// body writes a payload by hand.
func body(write func(w *strict.Writer)) []byte {
	var w strict.Writer
	write(&w)
	return w.Buf
}

// TestParseRefuses: payloads that no side of ours writes.
func TestParseRefuses(t *testing.T) {
	log := func(level int64, attr ...byte) []byte {
		return body(func(w *strict.Writer) {
			w.Array(8)
			for _, n := range []int64{int64(TypeLog), 0, 0, level, 0} {
				w.Int(n)
			}
			w.String("text")
			w.Uint(0)
			w.Array(1)
			w.Raw(attr)
		})
	}
	for _, test := range []struct {
		why  string
		from Side
		data []byte
		says string
	}{
		{"nothing", FromClient, nil, "ends within"},
		{"no array", FromClient, []byte{0x80}, "a map where"},
		{"an array of 33", FromClient, []byte(strings.Repeat("\xdc\x00\x21", 1) + strings.Repeat("\x00", 33)), "at most 32"},
		{"an empty array", FromClient, []byte{0x90}, "ends within"},
		{"type 10", FromClient, []byte{0x93, 10, 0, 0}, "type 10"},
		{"type 10", FromHelper, []byte{0x93, 10, 0, 0}, "type 10"},
		{"a negative type", FromClient, []byte{0x93, 0xff, 0, 0}, "negative"},
		{"254 descriptors", FromClient, []byte{0x96, 3, 0xcc, 254, 1, 0xa1, 'a', 0, 0xc0}, "above 253"},
		{"descriptors with PING", FromClient, []byte{0x93, 1, 1, 7}, "PING with descriptors"},
		{"descriptors with ERR", FromHelper, []byte{0x96, 5, 1, 7, 0xa1, 'a', 0, 0xa0}, "ERR with descriptors"},
		{"a field too few", FromClient, []byte{0x96, 3, 0, 1, 0xa1, 'a', 0, 0, 0xc0}, "7 belong here"},
		{"a count too large", FromClient, []byte{0x94, 1, 0, 7, 8}, "trailing"},
		{"a timeout above an int64", FromClient, []byte{0x96, 3, 0, 1, 0xa1, 'a', 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xc0}, "above"},
		{"a timeout below 0", FromClient, []byte{0x96, 3, 0, 1, 0xa1, 'a', 0xff, 0xc0}, "negative"},
		{"a token above an int64", FromClient, []byte{0x97, 3, 0, 1, 0xa1, 'a', 0, 0xcf, 0x80, 0, 0, 0, 0, 0, 0, 0, 0xc0}, "above"},
		{"a token below 0", FromClient, []byte{0x97, 3, 0, 1, 0xa1, 'a', 0, 0xff, 0xc0}, "negative"},
		{"arguments cut short", FromClient, []byte{0x97, 3, 0, 1, 0xa1, 'a', 0, 0, 0x91}, "CALL: "},
		{"arguments within 33 arrays", FromClient, append([]byte{0x97, 3, 0, 1, 0xa1, 'a', 0, 0}, strings.Repeat("\x91", 33)+"\xc0"...), "more than 32"},
		{"a name too long", FromClient, append([]byte{0x96, 3, 0, 1, 0xd9, 130}, strings.Repeat("a", 130)+"\x00\xc0"...), "at most 129"},
		{"signal 65", FromClient, []byte{0x94, 9, 0, 1, 65}, "above 64"},
		{"a level above 32 bits", FromHelper, log(1<<32+4, 0x93, 0x91, 0xa1, 'k', 1, 1), "32 bits"},
		{"an attribute of two", FromHelper, log(0, 0x92, 0x91, 0xa1, 'k', 1, 1), "one of 3 belongs"},
		{"an attribute of no kind", FromHelper, log(0, 0x93, 0x91, 0xa1, 'k', 5, 1), "above 4"},
		{"an attribute whose value is of another kind", FromHelper, log(0, 0x93, 0x91, 0xa1, 'k', 3, 1), "where a bool"},
		{"a path of 17", FromHelper, log(0, append([]byte{0x93, 0xdc, 0, 17}, strings.Repeat("\xa0", 17)+"\x01\x01"...)...), "at most 16"},
	} {
		_, _, err := parse(test.data, test.from)
		var p *ProtocolError
		if !errors.As(err, &p) || p.From != test.from || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: the error does not say %q: %v", test.why, test.says, err)
		}
	}
}

// TestHelloPairs: a declaration is an array of two, wherever its brackets stand: `91 a name, fingerprint` has the same
// values in the same order.
func TestHelloPairs(t *testing.T) {
	var hello Hello
	for _, g := range golden {
		if h, ok := g.m.(Hello); ok {
			hello = h
		}
	}
	data := appendFrame(nil, hello, 0)[4:]
	at := bytes.LastIndex(data, []byte("\x92\xab"))
	data[at] = 0x91
	if _, _, err := parse(data, FromHelper); err == nil {
		t.Error("a declaration of one element passes")
	}
}

// TestManyValues: how many values arguments hold is for their plan to refuse. Here it would end every other call too.
func TestManyValues(t *testing.T) {
	args := append([]byte{0xdd, 0, 8, 0, 0}, make([]byte, 1<<19)...)
	m, _, err := parse(appendFrame(nil, Call{ID: 1, Entrypoint: "a.b", Args: args}, 0)[4:], FromClient)
	if err != nil || !bytes.Equal(m.(Call).Args, args) {
		t.Errorf("%v", err)
	}
}

// TestClip: a handler's text that is too long is cut, between two characters where it has any, and still answers.
func TestClip(t *testing.T) {
	for _, text := range []string{strings.Repeat("x", maxText+1), strings.Repeat("ä", maxText), "x" + strings.Repeat("ä", maxText), strings.Repeat("\x80", maxText+9)} {
		m, _, err := parse(appendFrame(nil, Error{ID: 1, Code: "failed", Message: text}, 0)[4:], FromHelper)
		if err != nil {
			t.Fatal(err)
		}
		got := m.(Error).Message
		kept, marked := strings.CutSuffix(got, "…")
		if !marked || len(got) > maxText || len(got) < maxText-4 || !strings.HasPrefix(text, kept) || text[0] != 0x80 && strings.ToValidUTF8(got, "") != got {
			t.Errorf("%d bytes became %d, marked %v", len(text), len(got), marked)
		}
	}
	if whole := strings.Repeat("x", maxText); clip(whole) != whole {
		t.Error("a text that fits is cut")
	}
}

func TestLogWithoutTime(t *testing.T) {
	m, _, err := parse(appendFrame(nil, Log{Level: slog.Level(math.MinInt32), Message: "x"}, 0)[4:], FromHelper)
	if err != nil || !m.(Log).Time.IsZero() || m.(Log).Level != math.MinInt32 {
		t.Errorf("%+v, %v", m, err)
	}
}

// FuzzParse: whatever one side may send and we take we write the same again but for widths, and within the limits.
func FuzzParse(f *testing.F) {
	for _, g := range golden {
		f.Add(appendFrame(nil, g.m, g.files)[4:])
	}
	deep, _ := hex.DecodeString("96030001a16100" + strings.Repeat("91", 40))
	f.Add(deep)
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, from := range []Side{FromClient, FromHelper} {
			m, files, err := parse(data, from)
			if err != nil {
				var p *ProtocolError
				if m != nil || !errors.As(err, &p) {
					t.Fatalf("%v with %v", err, m)
				}
				continue
			}
			if allowed, with := from.may(m.Type()); !allowed || files > MaxFiles || files > 0 && !with {
				t.Fatalf("%s of %s with %d files", m.Type(), from, files)
			}
			once := appendFrame(nil, m, files)
			again, n, err := parse(once[4:], from)
			if err != nil || n != files {
				t.Fatalf("%x read as %+v, which is refused: %v", data, m, err)
			}
			if twice := appendFrame(nil, again, n); !bytes.Equal(once, twice) {
				t.Fatalf("% x\n% x", once, twice)
			}
			if c, ok := m.(Call); ok && c.Timeout < time.Duration(0) {
				t.Fatalf("a timeout of %v", c.Timeout)
			}
		}
	})
}
