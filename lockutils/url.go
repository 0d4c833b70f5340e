package lockutils

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Scheme is an engine for locks that URLs can name. A package that brings one has it as a variable, to be passed to
// Open.
type Scheme struct {
	// Name is what stands before `://`.
	Name string
	// Open makes a Locker of a whole URL, Name included. A Locker that is an io.Closer is closed by Opened.Close. Its
	// errors do not repeat the URL, which may hold a password.
	Open func(ctx context.Context, url string) (Locker, error)
}

// Opened is a Locker that a URL named.
type Opened struct{ Locker }

// Close gives up what the engine keeps open: connections, and with them the locks that are still held. A Set keeps
// nothing.
func (o *Opened) Close() error {
	if c, ok := o.Locker.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// ErrScheme is wrapped by the error of Open for a URL whose scheme is not among those given.
var ErrScheme = errors.New("unknown scheme")

// elsewhere are the schemes that modules of their own bring, and what to pass to Open for them.
var elsewhere = map[string]string{
	"etcd": "etcdlock.Scheme of github.com/privhelper/privhelper/lockutils/etcdlock",
}

// Open makes a Locker of a URL, so that a service moves from one machine to many by a line of its configuration:
//
//	locks, err := lockutils.Open(ctx, "file:///run/netservice/locks")
//	locks, err := lockutils.Open(ctx, "etcd://10.0.0.1:2379,10.0.0.2:2379/netservice?ttl=10s", etcdlock.Scheme)
//
// A file URL has an absolute path and nothing else, and is a Set with that Folder. Other schemes are those given; there
// is no registry, so that what is linked is what is written. ctx bounds the opening alone.
func Open(ctx context.Context, url string, schemes ...Scheme) (*Opened, error) {
	name, rest, found := strings.Cut(url, "://")
	if !found {
		return nil, errors.New(`open locks: not a URL: write file:///FOLDER, or another SCHEME://…`)
	}
	for _, s := range schemes {
		if s.Name != name {
			continue
		}
		l, err := s.Open(ctx, url)
		if err != nil {
			return nil, fmt.Errorf("open locks of %s: %w", name, err)
		}
		return &Opened{l}, nil
	}
	if name == "file" {
		folder, err := folderOf(rest)
		if err != nil {
			return nil, fmt.Errorf("open locks of %s: %w", url, err)
		}
		return &Opened{&Set{Folder: folder}}, nil
	}
	if pass, known := elsewhere[name]; known {
		return nil, fmt.Errorf("open locks: %w %q: pass %s", ErrScheme, name, pass)
	}
	return nil, fmt.Errorf("open locks: %w %q: none that was passed has that name", ErrScheme, name)
}

// folderOf reads what stands behind `file://`. It is read here because net/url would be one more package that root runs.
func folderOf(rest string) (string, error) {
	path := strings.TrimPrefix(rest, "localhost")
	if !strings.HasPrefix(path, "/") {
		return "", errors.New("a file URL has three slashes, and an absolute path")
	}
	if strings.ContainsAny(path, "?#") {
		return "", errors.New("a file URL has no options: use a Set, or write %3F and %23 where they are of the path")
	}
	var folder strings.Builder
	for {
		plain, escaped, found := strings.Cut(path, "%")
		folder.WriteString(plain)
		if !found {
			return folder.String(), nil
		}
		if len(escaped) < 2 {
			return "", errors.New("% stands before two hexadecimal digits")
		}
		b, err := strconv.ParseUint(escaped[:2], 16, 8)
		if err != nil || b == 0 {
			return "", errors.New("% stands before two hexadecimal digits, and not before 00")
		}
		folder.WriteByte(byte(b))
		path = escaped[2:]
	}
}
