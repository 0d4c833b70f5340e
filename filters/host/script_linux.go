package host

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/privhelper/privhelper/internal/trust"
)

// interpreters judges the programs on #! lines as the script itself was judged: they are what is executed. Where the
// launcher handed the trusted programs in (a user namespace), nobody's owner can be told, and a script stands for its own.
func (m *machine) interpreters(script string) error {
	if len(m.rules.Handed) > 0 {
		return nil
	}
	for range 5 { // BINPRM_MAX_RECURSION
		next, err := interpreter(script)
		if err != nil || next == "" {
			return err
		}
		if script, err = trust.Executable(next, m.rules); err != nil {
			return err
		}
	}
	return nil
}

// interpreter returns the path on the #! line of a program, or "". One that is unreadable or no regular file is none: exec
// says what is wrong with it.
func interpreter(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return "", nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", err
	}
	head := make([]byte, 256) // BINPRM_BUF_SIZE: the kernel reads no more of it
	n, err := f.Read(head)
	if err != nil {
		return "", nil
	}
	line, script := strings.CutPrefix(string(head[:n]), "#!")
	if !script {
		return "", nil
	}
	line, _, _ = strings.Cut(line, "\n")
	if words := strings.Fields(line); len(words) > 0 {
		return words[0], nil
	}
	return "", nil
}
