package wire

import (
	"context"
	"errors"
	"io"
	"os"
	"reflect"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestSendReceive(t *testing.T) {
	client, helper := pair(t)
	for _, g := range golden {
		from, to := client, helper
		if g.from == FromHelper {
			from, to = helper, client
		}
		files := make([]*os.File, g.files)
		for i := range files {
			files[i] = os.Stdin
		}
		if begun, err := from.Send(context.Background(), g.m, files); err != nil || !begun {
			t.Fatalf("%s: %v, %v", g.name, begun, err)
		}
		m, got, err := to.Receive()
		if err != nil || !reflect.DeepEqual(m, g.m) || len(got) != g.files {
			t.Errorf("%s: %+v, %d files, %v", g.name, m, len(got), err)
		}
		for _, f := range got {
			raw, _ := f.SyscallConn()
			_ = raw.Control(func(fd uintptr) {
				if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("%s: a file that every command inherits: %v", g.name, err)
				}
			})
		}
		closeAll(got)
	}
	client.Close()
	for range 2 {
		if _, _, err := helper.Receive(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

// TestDescriptors: how many came and how many the frame says; whatever the difference, none stays open.

func TestClose(t *testing.T) {
	client, helper := pair(t)
	ended := make(chan error, 2)
	go func() {
		_, _, err := client.Receive()
		ended <- err
	}()
	go func() {
		_, err := client.Send(context.Background(), call(1, MaxFromClient-100), nil)
		ended <- err
	}()
	_ = helper.raw.Control(func(fd uintptr) {
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
	})
	client.Close()
	for range 2 {
		select {
		case err := <-ended:
			if err == nil {
				t.Error("no error from a connection that was closed")
			}
		case <-time.After(patience):
			t.Fatal("somebody still waits")
		}
	}
	if begun, err := client.Send(context.Background(), Ping{}, nil); begun || err == nil {
		t.Errorf("after Close: begun %v, %v", begun, err)
	}
	if begun, err := helper.Send(context.Background(), Pong{}, nil); begun || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("to a peer that is gone: begun %v, %v", begun, err)
	}
}

// TestShutdown: it ends the connection for every process that has the socket; a second descriptor stands for one here.

func TestShutdown(t *testing.T) {
	a, b := sockets(t)
	fd, err := unix.Dup(int(a.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	client, helper := newConn(t, a, FromClient), newConn(t, b, FromHelper)
	client.Shutdown()
	if _, _, err := helper.Receive(); err != io.EOF {
		t.Errorf("%v", err)
	}
	if _, err := unix.Write(fd, []byte{0}); err != unix.EPIPE {
		t.Errorf("%v", err)
	}
}
