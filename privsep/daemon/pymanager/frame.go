package pymanager

import (
	"encoding/binary"
	"fmt"
	"io"
)

// headerSize is what stands before every frame: its length, big-endian (oslo_rootwrap.jsonrpc.JsonConnection).
const headerSize = 8

// firstRead is how much memory a frame gets before more of it than that has come.
const firstRead = 64 << 10

// tooLargeError is a frame beyond its limit.
type tooLargeError struct{ length, limit uint64 }

func (e tooLargeError) Error() string {
	return fmt.Sprintf("a frame of %d bytes, at most %d may come", e.length, e.limit)
}

// readFrame reads one frame of at most limit bytes. Memory is taken as the bytes come, never for what a header promises
// (1 GiB in eight bytes), each time with leave from more, which may be nil. Where nothing comes the error is io.EOF.
func readFrame(r io.Reader, limit uint64, more func(n int) error) ([]byte, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(header[:])
	if length > limit {
		return nil, tooLargeError{length, limit}
	}
	var frame []byte
	for size := min(length, firstRead); ; size = min(length, 2*size) {
		if more != nil {
			if err := more(int(size) - len(frame)); err != nil {
				return nil, err
			}
		}
		have := len(frame)
		grown := make([]byte, size)
		copy(grown, frame)
		if _, err := io.ReadFull(r, grown[have:]); err != nil {
			return nil, noEOF(err)
		}
		if frame = grown; size == length {
			return frame, nil
		}
	}
}

// noEOF is for the middle of a frame.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// header returns what stands before length bytes.
func header(length int) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, headerSize), uint64(length))
}

func writeFrame(w io.Writer, frame []byte) error {
	_, err := w.Write(append(header(len(frame)), frame...))
	return err
}
