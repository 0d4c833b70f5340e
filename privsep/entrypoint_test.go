package privsep

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// wantPanic fails the test unless call panics with a text that holds saying.
func wantPanic(t *testing.T, why, saying string, call func()) {
	t.Helper()
	defer func() {
		t.Helper()
		text, ok := recover().(string)
		if !ok || !strings.Contains(text, saying) {
			t.Errorf("%s: the panic does not say %q: %q", why, saying, text)
		}
	}()
	call()
}

func TestNames(t *testing.T) {
	for _, name := range []string{"", "Net", "1net", "_net", "net.x", "net-x", "net ", "nét", "net\n", strings.Repeat("a", 65)} {
		wantPanic(t, "context "+name, "context name", func() { NewContext(name) })
		wantPanic(t, "entrypoint "+name, "entrypoint name", func() { NewEntrypoint[Void, Void](NewContext("a"), name) })
		wantPanic(t, "error "+name, "error name", func() { _ = NewContext("a").NewError(name, "text") })
	}
	for _, name := range []string{"a", "net_2", strings.Repeat("a", 64)} {
		if got := NewEntrypoint[Void, Void](NewContext("c"), name).Name(); got != "c."+name {
			t.Errorf("%q", got)
		}
	}
}

func TestDeclaredTwice(t *testing.T) {
	c := NewContext("net")
	NewEntrypoint[Void, Void](c, "a")
	wantPanic(t, "entrypoint", "net.a is declared twice", func() { NewEntrypoint[int, Void](c, "a") })
	_ = c.NewError("a", "") // entrypoints and errors have names of their own
	wantPanic(t, "error", "net.a is declared twice", func() { _ = c.NewError("a", "") })
}

type node struct{ Next *node }

// TestTypesThatCannotTravel: the panic names the entrypoint, which half of it, and the field.
func TestTypesThatCannotTravel(t *testing.T) {
	c := NewContext("net")
	wantPanic(t, "interface", "net.x: arguments: ", func() { NewEntrypoint[struct{ V any }, Void](c, "x") })
	wantPanic(t, "the field", ".V", func() { NewEntrypoint[struct{ V any }, Void](c, "x") })
	wantPanic(t, "function", "net.x: reply: ", func() { NewEntrypoint[Void, func()](c, "x") })
	wantPanic(t, "an interface itself", "arguments", func() { NewEntrypoint[error, Void](c, "x") })
	wantPanic(t, "channel", "cannot travel", func() { NewEntrypoint[chan int, Void](c, "x") })
	wantPanic(t, "recursive", "recursive", func() { NewEntrypoint[node, Void](c, "x") })
	wantPanic(t, "unexported", "unexported", func() { NewEntrypoint[struct{ v int }, Void](c, "x") })
	wantPanic(t, "a bare file", "use privsep.File", func() { NewEntrypoint[Void, *os.File](c, "x") })
	wantPanic(t, "a location has a codec", "cannot travel", func() { NewEntrypoint[*time.Location, Void](c, "x") })
	if got := c.Declarations(); len(got) != 0 {
		t.Errorf("what panicked is declared: %v", got)
	}
}

func TestDeclarations(t *testing.T) {
	c := NewContext("net", CAP_NET_ADMIN)
	NewEntrypoint[struct{ N int8 }, File](c, "b")
	NewEntrypoint[Void, []string](c, "a")
	got := c.Declarations()
	want := []Declaration{{"net.a", "{} -> []str"}, {"net.b", "{N:i8} -> file"}}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("%v, want %v", got, want)
	}
	got[0].Name = "changed"
	if c.Declarations()[0] != want[0] {
		t.Error("Declarations gives the context's own memory away")
	}
}

// fakeCaller runs handlers in place, as a helper of no process, with files as they are.
type fakeCaller map[string]Handler

func (f fakeCaller) Do(ctx context.Context, r Request) (Answer, error) {
	data, files, err := f[r.Entrypoint].Run(ctx, r.Args, r.Files)
	if err != nil {
		return Answer{}, ErrorFrom(r.Entrypoint, err)
	}
	return Answer{Data: data, Files: files}, nil
}

// answering is a Caller that gives the same answer to all.
type answering struct {
	answer Answer
	err    error
}

func (a answering) Do(context.Context, Request) (Answer, error) { return a.answer, a.err }

type copyArgs struct {
	From File
	Note string
	At   time.Time
}

type copyReply struct {
	Back File
	Note string
}

func TestBindAndCall(t *testing.T) {
	echo := NewEntrypoint[copyArgs, copyReply](NewContext("net"), "echo")
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	type key struct{}
	h := echo.Bind(func(ctx context.Context, a copyArgs) (copyReply, error) {
		if ctx.Value(key{}) != "here" {
			t.Error("the context is another")
		}
		switch a.Note {
		case "fail":
			return copyReply{Back: a.From}, errBusy
		case "many":
			return copyReply{Note: "the reply of a handler that failed is nobody's"}, io.ErrUnexpectedEOF
		}
		return copyReply{a.From, a.Note + "!"}, nil
	})
	if h.Name != "net.echo" || h.Declaration != echo.Context().Declarations()[0] {
		t.Errorf("%+v", h.Declaration)
	}
	c := fakeCaller{h.Name: h}
	ctx := context.WithValue(context.Background(), key{}, "here")

	reply, err := echo.Call(ctx, c, copyArgs{From: File{f}, Note: "hello"})
	if err != nil || reply.Back.File != f || reply.Note != "hello!" {
		t.Errorf("%+v, %v", reply, err)
	}
	reply, err = echo.Call(ctx, c, copyArgs{From: File{f}, Note: "fail"})
	if !errors.Is(err, errBusy) || reply != (copyReply{}) {
		t.Errorf("%+v, %v", reply, err)
	}
	if _, err = echo.Call(ctx, c, copyArgs{Note: "many"}); !errors.Is(err, CodeFailed) || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("%v", err)
	}
}

// TestCallFails: which code and outcome a call has whose data does not travel, and who closes the files.
func TestCallFails(t *testing.T) {
	e := NewEntrypoint[copyArgs, []copyReply](NewContext("net"), "x")
	want := func(why string, err error, code Code, outcome Outcome) {
		t.Helper()
		var ce *CallError
		if !errors.As(err, &ce) || ce.Code != code || ce.Outcome != outcome || ce.Entrypoint != "net.x" {
			t.Errorf("%s: %+v", why, err)
		}
	}
	ctx := context.Background()
	_, err := e.Call(ctx, answering{err: errors.New("called")}, copyArgs{At: time.Unix(1<<60, 0)})
	want("a time that cannot travel", err, CodeBadArguments, NotSent)

	lost := &CallError{Entrypoint: "net.x", Code: CodeLost, Outcome: Unknown}
	if _, err = e.Call(ctx, answering{err: lost}, copyArgs{}); err != error(lost) {
		t.Errorf("the Caller's error became %v", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	_, err = e.Call(ctx, answering{answer: Answer{Data: []byte{0x90}, Files: []*os.File{r}}}, copyArgs{})
	want("a file that the reply does not name", err, CodeInternal, Answered)
	if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("its file is open: %v", err)
	}
	_, err = e.Call(ctx, answering{answer: Answer{Data: append([]byte{0xdd, 0, 8, 0, 0}, strings.Repeat("\x80", 1<<19)...)}}, copyArgs{})
	want("a reply above the limits", err, CodeTooLarge, Answered)

	h := e.Bind(func(context.Context, copyArgs) ([]copyReply, error) { return make([]copyReply, 1), nil })
	_, _, err = h.Run(ctx, []byte{0x90}, nil)
	want("arguments of another type", err, CodeBadArguments, Answered)
	_, _, err = h.Run(ctx, []byte{0x80}, []*os.File{w})
	want("a file that the arguments do not name", err, CodeBadArguments, Answered)
	if _, err := w.Stat(); err != nil {
		t.Errorf("a handler's file is the daemon's to close: %v", err)
	}
	h = e.Bind(func(context.Context, copyArgs) ([]copyReply, error) {
		many := make([]copyReply, 300)
		for i := range many {
			many[i].Back.File = w
		}
		return many, nil
	})
	_, _, err = h.Run(ctx, []byte{0x80}, nil)
	want("a reply of 300 files", err, CodeTooLarge, Answered)
}
