package attack

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// dies has a helper that has just said HELLO, and whose caller wants core files and all that Go's runtime can tell, end by a
// signal as a bug of its own would end it. It returns how, what it printed, and its limits until then.
func dies(w *world, s syscall.Signal) (status syscall.WaitStatus, said, limits string) {
	w.t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	w.must(err)
	ours, its := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "its")
	defer ours.Close()
	words := append(from("ulimit -c unlimited; cd @W@/cores; export GOTRACEBACK=crash PASSWORD=hunter2"), bin("privhelper"), "daemon", "--config", w.config)
	words = w.texts(words)
	cmd := exec.Command(words[0], words[1:]...)
	var printed bytes.Buffer
	cmd.Stdin, cmd.Stderr = its, &printed
	w.must(cmd.Start())
	its.Close()
	length := make([]byte, 4)
	_, err = io.ReadFull(ours, length)
	w.must(err)
	_, err = io.CopyN(io.Discard, ours, int64(binary.BigEndian.Uint32(length)))
	w.must(err)
	limits = w.read(proc(cmd.Process.Pid, "limits"))
	w.must(cmd.Process.Signal(s))
	_ = cmd.Wait()
	return cmd.ProcessState.Sys().(syscall.WaitStatus), printed.String(), limits
}

// crash is an attack by whoever can make the helper crash: it leaves no core file, and no secret in what it prints.
func crash(name, how string, s syscall.Signal) attack {
	return attack{name, how, 10, nil, func(w *world) {
		w.policy("", "tool: CommandFilter, tool, root\n# hunter2\n")
		w.must(os.Mkdir(w.text("@W@/cores"), 0o777))
		status, said, limits := dies(w, s)
		if status.CoreDump() || !regexp.MustCompile(`(?m)^Max core file size +0 +0 `).MatchString(limits) {
			w.t.Errorf("it leaves a core file: %v, dumped: %v, its limits:\n%s", status, status.CoreDump(), limits)
		}
		if made, err := os.ReadDir(w.text("@W@/cores")); err != nil || len(made) > 0 {
			w.t.Errorf("it left %v, %v", made, err)
		}
		if strings.Contains(said, "hunter2") {
			w.t.Errorf("it printed %s", said)
		}
	}}
}

var coreAttacks = []attack{
	crash("abort", "the helper ends by SIGABRT, its caller wants core files", syscall.SIGABRT),
	crash("segv", "by SIGSEGV", syscall.SIGSEGV),
	crash("quit", "by SIGQUIT, at which Go prints every goroutine", syscall.SIGQUIT),
	crash("bus", "by SIGBUS, as when its program is cut while it runs", syscall.SIGBUS),
}
