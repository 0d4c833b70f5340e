package bulk

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/privhelper/privhelper/processutils"
)

// progress shows how far a Pool has come.
type progress interface {
	done(c processutils.Cmd, err error)
	end()
}

func newProgress(w io.Writer, title string, total int) progress {
	if w == nil || total == 0 {
		return silent{}
	}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		b := &bar{w: w, title: title}
		b.shown = progressbar.NewOptions(total, progressbar.OptionSetWriter(w), progressbar.OptionSetDescription(title), progressbar.OptionShowCount(),
			progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond))
		return b
	}
	if title != "" {
		title += ": "
	}
	return &lines{w: w, title: title, total: total}
}

type silent struct{}

func (silent) done(processutils.Cmd, error) {}
func (silent) end()                         {}

// bar is for a terminal. What fails to be written there is nobody's business.
type bar struct {
	w      io.Writer
	title  string
	shown  *progressbar.ProgressBar
	mu     sync.Mutex
	failed int
}

func (b *bar) done(_ processutils.Cmd, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.failed++
		b.shown.Describe(fmt.Sprintf("%s (%d failed)", b.title, b.failed))
	}
	b.shown.Add(1)
}

func (b *bar) end() {
	b.shown.Exit()
	fmt.Fprintln(b.w)
}

// lines is for a log or a pipe.
type lines struct {
	w      io.Writer
	title  string
	total  int
	mu     sync.Mutex
	ended  int
	failed int
}

func (l *lines) done(_ processutils.Cmd, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.ended * 10 / l.total
	l.ended++
	if err != nil {
		l.failed++
		fmt.Fprintf(l.w, "%s%v\n", l.title, err) // an ExecError is one line, and masked
	}
	if l.ended*10/l.total > before {
		fmt.Fprintf(l.w, "%s%d of %d done, %d failed\n", l.title, l.ended, l.total, l.failed)
	}
}

func (l *lines) end() {}
