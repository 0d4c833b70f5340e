package pymanager

import (
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/internal/pyjson"
)

// returned is the answer of a call that went well; value is JSON.
func returned(value string) []byte { return []byte(`["#RETURN", ` + value + `]`) }

// failed is the answer of a call that did not: the client raises RemoteError with this text.
func failed(text string) []byte {
	reply := pyjson.String([]byte(`["#TRACEBACK", `), "privhelper: "+strings.TrimPrefix(text, "privhelper: "))
	return append(reply, ']')
}

// created is create's answer: the object and what can be called on it, which AutoProxy makes methods of.
const created = `["` + objectID + `", ["` + methodRun + `", "` + methodShutdown + `"]]`

// writeSize is about how much of a reply is encoded and sent at a time.
const writeSize = 256 << 10

// writeResult answers run_one_command: [rc, out, err], both texts as os.fsdecode gives them. A small answer is one write.
// Of a large one no copy is made: it is encoded twice, once for its length and once to be sent.
func writeResult(w io.Writer, code int, out, err *output) error {
	length := 0
	_ = encodeResult(nil, code, out, err, func(part []byte) error { length += len(part); return nil })
	return encodeResult(header(length), code, out, err, func(part []byte) error {
		_, err := w.Write(part)
		return err
	})
}

// encodeResult appends the answer to head and gives it to emit, which may not keep it, part by part.
func encodeResult(head []byte, code int, out, err *output, emit func([]byte) error) error {
	t := text{encoded: append(head, `["#RETURN", [`...)}
	t.encoded = strconv.AppendInt(t.encoded, int64(code), 10)
	for _, o := range []*output{out, err} {
		t.encoded = append(t.encoded, `, "`...)
		for _, piece := range o.pieces {
			for part := range slices.Chunk(piece, writeSize/8) {
				t.add(part)
				if len(t.encoded) < writeSize {
					continue
				}
				if err := emit(t.encoded); err != nil {
					return err
				}
				t.encoded = t.encoded[:0]
			}
		}
		t.end()
		t.encoded = append(t.encoded, '"')
	}
	return emit(append(t.encoded, "]]"...))
}

// text encodes what comes in pieces, over whose edges a character may stand.
type text struct {
	encoded []byte
	edge    []byte // at most 3 bytes, which may begin a character
}

func (t *text) add(piece []byte) {
	for len(t.edge) > 0 && len(piece) > 0 {
		var rest []byte
		t.encoded, rest = pyjson.Part(t.encoded, append(t.edge, piece[0]), false)
		t.edge, piece = append([]byte(nil), rest...), piece[1:]
	}
	var rest []byte
	t.encoded, rest = pyjson.Part(t.encoded, piece, false)
	t.edge = append(t.edge, rest...)
}

func (t *text) end() {
	t.encoded, _ = pyjson.Part(t.encoded, t.edge, true)
	t.edge = nil
}
