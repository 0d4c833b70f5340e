package bulk_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/processutils/bulk"
)

// On a terminal there is one line that changes.
func TestBar(t *testing.T) {
	pty, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pty.Close()
	fd := int(pty.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &counting{fails: func(i int) bool { return i == 1 }}
	bulk.Pool{Runner: r, Progress: terminal, Title: "work"}.Run(t.Context(), commands(20))
	terminal.Close()
	text, _ := io.ReadAll(pty) // it ends in EIO
	shown := string(text)
	if !strings.Contains(shown, "work (1 failed) 100%") || !strings.Contains(shown, "(20/20)") || !strings.Contains(shown, "\r") || strings.Count(shown, "\n") != 1 {
		t.Errorf("shown: %q", shown)
	}
}
