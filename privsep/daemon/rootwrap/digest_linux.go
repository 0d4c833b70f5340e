package rootwrap

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// digests are those of programs that were read before. To read one costs a millisecond a MiB or so, more than to start it.
type digests struct {
	mu   sync.Mutex
	seen map[string]digest // by path
}

// A digest is of a file that has not changed since as long as its stamp is the same.
type digest struct {
	stamp stamp
	sum   [sha256.Size]byte
}

// A stamp changes with every change of a file: the time of its inode's last change (ctime) is the kernel's, and nobody but
// who sets the clock or writes to the device can set it back.
type stamp struct {
	dev, ino uint64
	size     int64
	changed  int64 // ns
}

// settled is how old a change must be to be the last of its tick: file systems write times in steps of up to 10 ms.
const settled = time.Second

// open opens a program and returns it if its bytes are those that the rule names: what was read is what is then executed,
// by its descriptor.
func (d *digests) open(path string, want []byte) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := d.check(f, want); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s %w", path, err)
	}
	return f, nil
}

func (d *digests) check(f *os.File, want []byte) error {
	now := time.Now()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return errors.New("is no regular file")
	}
	is := stamp{uint64(st.Dev), st.Ino, st.Size, st.Ctim.Nano()}
	d.mu.Lock()
	known, ok := d.seen[f.Name()]
	d.mu.Unlock()
	if !ok || known.stamp != is {
		known.stamp = is
		if err := known.read(f); err != nil {
			return err
		}
		if now.Sub(time.Unix(0, is.changed)) > settled {
			d.mu.Lock()
			if d.seen == nil {
				d.seen = map[string]digest{}
			}
			d.seen[f.Name()] = known
			d.mu.Unlock()
		}
	}
	if !bytes.Equal(known.sum[:], want) {
		return errors.New("is not the file whose sha256 the rule names")
	}
	return nil
}

// read refuses a script: its interpreter would open whatever stands at the path by then.
func (d *digest) read(f *os.File) error {
	head := make([]byte, 2)
	if _, err := f.ReadAt(head, 0); err == nil && string(head) == "#!" {
		return errors.New("is a script, which cannot be held to its sha256")
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	h.Sum(d.sum[:0])
	return nil
}
