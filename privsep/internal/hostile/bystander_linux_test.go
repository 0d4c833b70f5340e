package hostile

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep/internal/wire"
)

// slowest is the promise: how long another client's helper takes to answer at most.
const slowest = 100 * time.Millisecond

// probes are what a bystander saw since it was asked last.
type probes struct {
	Count   int
	Slowest time.Duration
}

// bystander is another client, with a helper of its own, which is its argument's command line. It calls it all the time,
// and says on standard output what it saw whenever a line comes on standard input.
func bystander([]string) error {
	conn, err := wire.NewConn(os.NewFile(3, "helper"), wire.FromClient)
	if err != nil {
		return err
	}
	if m, _, err := conn.Receive(); err != nil || m.Type() != wire.TypeHello {
		return errors.Join(errors.New("no HELLO"), err)
	}
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			asked <- struct{}{}
		}
	}()
	var seen probes
	out := json.NewEncoder(os.Stdout)
	for id := uint64(1); ; id++ {
		begun := time.Now()
		if _, err := conn.Send(context.Background(), wire.Call{ID: id, Entrypoint: add.Name(), Args: add2}, nil); err != nil {
			return err
		}
		m, _, err := conn.Receive()
		if r, ok := m.(wire.Return); err != nil || !ok || r.ID != id {
			return fmt.Errorf("call %d: %+v, %w", id, m, err)
		}
		seen.Count++
		seen.Slowest = max(seen.Slowest, time.Since(begun))
		select {
		case _, more := <-asked:
			if !more {
				return nil
			}
			if err := out.Encode(seen); err != nil {
				return err
			}
			seen = probes{}
		case <-time.After(500 * time.Microsecond):
		}
	}
}

// A witness is a bystander as the test sees it.
type witness struct {
	ask  io.Writer
	hear *json.Decoder
}

func startBystander(t testing.TB) *witness {
	t.Helper()
	helper, fd := startHelper(t, "helper", os.Stderr)
	socket := os.NewFile(uintptr(fd), "client")
	cmd := testenv.Child(t, "bystander")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	socket.Close()
	t.Cleanup(func() {
		in.Close()
		for _, c := range []*exec.Cmd{cmd, helper} {
			if err := c.Wait(); err != nil {
				t.Errorf("%s: %v", c.Args[0], err)
			}
		}
	})
	w := &witness{in, json.NewDecoder(out)}
	w.saw(t)
	return w
}

// saw returns what the bystander saw since it was asked last.
func (w *witness) saw(t testing.TB) (p probes) {
	t.Helper()
	if _, err := w.ask.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := w.hear.Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}
