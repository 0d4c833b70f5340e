// Command privhelper is the stock root helper and the tools around it: it runs the commands that policy files allow.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/privhelper/privhelper/lockutils/lockcmd"
)

const usage = `usage:
  privhelper run [--config FILE] [--] CMD [ARG...]     run one command under the policy, as root
  privhelper run [--socket PATH] [--] CMD [ARG...]     the same by a service: for who is not root
  privhelper list [--socket PATH]                      show the rules that are for the caller
  privhelper rootwrap FILE CMD [ARG...]                the same in oslo-rootwrap's words (also as NAME-rootwrap)
  privhelper rootwrap-daemon FILE                      serve Python's oslo_rootwrap.client (also as NAME-rootwrap-daemon)
  privhelper daemon [--config FILE]                    serve one client on standard input
  privhelper serve [--config FILE] [--listen PATH]     serve all who may connect to a socket, each by a helper of its own
  privhelper check [--config FILE] [--json] [--fail-on SEVERITY] [--sudoers FILE] [--untrusted-files]
                                                       read all that the daemon would; print what is wrong or weak
  privhelper explain [--config FILE] [--semantics strict|oslo] [--json] [--untrusted-files] [--] CMD [ARG...]
                                                       say which rule allows a command, or why none does
  privhelper suggest [--config FILE] [--run-as USER] [--untrusted-files] [LOG...]
                                                       propose narrow rules for what the audit log has
  privhelper status [--json|--openmetrics]             show the helpers that run, their commands and locks
  privhelper status --control PATH.ctl [--json]        show a service's connections, and what was decided in each
  privhelper lock [OPTION...] NAME -- CMD [ARG...]     run one command, as the caller, under a lock (lock --help)
  privhelper version

The configuration is /etc/privhelper/privhelper.conf unless --config names another.
Exit codes: 99 not authorized, 98 no command, 97 bad configuration, 96 not executable, 128+N killed by signal N,
else the command's own.
`

// The exit codes of oslo.rootwrap.
const (
	exitUnauthorized  = 99
	exitNoCommand     = 98
	exitBadConfig     = 97
	exitNotExecutable = 96
)

const defaultConfig = "/etc/privhelper/privhelper.conf"

func main() {
	os.Exit(dispatch(os.Args))
}

// dispatch finds the subcommand, by the program's own name where it is called as somebody's rootwrap.
func dispatch(argv []string) int {
	if len(argv) == 0 { // pkexec CVE-2021-4034
		return fail(exitNoCommand, "called without a name")
	}
	if strings.HasSuffix(filepath.Base(argv[0]), "-rootwrap-daemon") {
		return rootwrapDaemon(argv[0], argv[1:])
	}
	if strings.HasSuffix(filepath.Base(argv[0]), "-rootwrap") {
		return rootwrap(argv[0], argv[1:])
	}
	if len(argv) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return exitNoCommand
	}
	switch args := argv[2:]; argv[1] {
	case "run":
		return run(args)
	case "rootwrap":
		return rootwrap(argv[0]+" rootwrap", args)
	case "rootwrap-daemon":
		return rootwrapDaemon(argv[0]+" rootwrap-daemon", args)
	case "daemon":
		return serve(args)
	case "list":
		return listRules(args)
	case "serve":
		return serveMany(args)
	case "check":
		return check(args)
	case "suggest":
		return suggestRules(args)
	case "explain":
		return explain(args)
	case "status":
		return status(args)
	case "lock":
		return lockcmd.Main(args, os.Stderr)
	case "version":
		return version()
	case "help", "--help", "-h":
		fmt.Print(usage)
		return 0
	}
	fmt.Fprintf(os.Stderr, "privhelper: no subcommand %q\n%s", argv[1], usage)
	return exitNoCommand
}

// fail prints an error and returns the exit code for it.
func fail(code int, format string, args ...any) int {
	fmt.Fprintf(os.Stderr, "privhelper: "+format+"\n", args...)
	return code
}
