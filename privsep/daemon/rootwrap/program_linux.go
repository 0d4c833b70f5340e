package rootwrap

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxInterpreters is BINPRM_MAX_RECURSION of the kernel: how often an interpreter may be a script itself.
const maxInterpreters = 5

// programFiles returns what the kernel opens to execute a program: itself, the interpreters of #! lines, and the loader
// that the last of these names.
func programFiles(path string) ([]string, error) {
	files := []string{path}
	for range maxInterpreters {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		head := make([]byte, 4096)
		n, err := f.ReadAt(head, 0)
		if err != nil && err != io.EOF {
			f.Close()
			return nil, err
		}
		path = interpreter(head[:n], f)
		f.Close()
		if path == "" || slices.Contains(files, path) {
			break
		}
		files = append(files, path)
	}
	return files, nil
}

// interpreter returns the path that a program names to be executed in its place, or "": that of a #! line (execve(2)) or,
// in ELF, of the program header PT_INTERP (elf(5)). head is how the file begins; from reads any of it. Of what is neither,
// or is broken, nothing is returned: the kernel refuses it.
func interpreter(head []byte, from io.ReaderAt) string {
	if line, script := bytes.CutPrefix(head, []byte("#!")); script {
		line, _, _ = bytes.Cut(line[:min(len(line), 254)], []byte("\n"))
		line, _, _ = bytes.Cut(bytes.TrimLeft(line, " \t"), []byte("\x00"))
		if end := bytes.IndexAny(line, " \t"); end >= 0 {
			line = line[:end]
		}
		return string(line)
	}
	if len(head) < 64 || string(head[:4]) != "\x7fELF" || head[5] < 1 || head[5] > 2 {
		return ""
	}
	var order binary.ByteOrder = binary.LittleEndian
	if head[5] == 2 {
		order = binary.BigEndian
	}
	// Where the table of program headers stands and how it is made, and where in an entry offset and size stand.
	table, size, count := uint64(order.Uint32(head[28:])), order.Uint16(head[42:]), order.Uint16(head[44:])
	word := func(b []byte) uint64 { return uint64(order.Uint32(b)) }
	offset, length, least := 4, 16, uint16(32)
	if head[4] == 2 { // 64 bits
		table, size, count = order.Uint64(head[32:]), order.Uint16(head[54:]), order.Uint16(head[56:])
		word, offset, length, least = order.Uint64, 8, 32, 56
	}
	if size < least || table > 1<<40 {
		return ""
	}
	entry := make([]byte, size)
	for i := range int64(count) {
		if _, err := from.ReadAt(entry, int64(table)+i*int64(size)); err != nil {
			return ""
		}
		const interp = 3 // PT_INTERP
		if order.Uint32(entry) != interp {
			continue
		}
		at, n := word(entry[offset:]), word(entry[length:])
		if n < 2 || n > unix.PathMax || at > 1<<40 {
			return ""
		}
		path := make([]byte, n)
		if _, err := from.ReadAt(path, int64(at)); err != nil {
			return ""
		}
		name, _, _ := strings.Cut(string(path), "\x00")
		return name
	}
	return ""
}
