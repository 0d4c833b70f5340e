package attack

import "strings"

// tells is an attack on a command that tells what it was given: the caller hands something on, and the command must not
// have it.
func tells(name, how, caller string, bad func(result) bool) attack {
	return attack{name, how, 4, &ask{rules: "report: CommandFilter, report, root\n", oslo: true, sudo: "@B@/report", doas: "@B@/report",
		harmless: []string{"report"}, caller: caller, bad: bad}, nil}
}

// variables are handed on in the caller's environment.
func variables(name, how string, assignments ...string) attack {
	quoted := make([]string, len(assignments))
	for i, a := range assignments {
		quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	return tells(name, how, "exec env "+strings.Join(quoted, " ")+` "$@"`, func(r result) bool {
		for _, a := range assignments {
			if strings.Contains(r.out, "env "+a) {
				return true
			}
		}
		return strings.Contains(r.out, "/evil")
	})
}

var environmentAttacks = []attack{
	variables("loader", "LD_PRELOAD, LD_LIBRARY_PATH, LD_AUDIT", "LD_PRELOAD=/evil/x.so", "LD_LIBRARY_PATH=/evil", "LD_AUDIT=/evil/a.so"),
	variables("glibc", "GLIBC_TUNABLES (CVE-2023-4911), GCONV_PATH, LOCPATH, RES_OPTIONS, HOSTALIASES", "GLIBC_TUNABLES=glibc.malloc.mxfast=glibc.malloc.mxfast=A",
		"GCONV_PATH=/evil", "LOCPATH=/evil", "RES_OPTIONS=debug", "HOSTALIASES=/evil/h", "MALLOC_TRACE=/evil/m"),
	variables("shell", "BASH_ENV, ENV, SHELLOPTS, PS4, IFS, CDPATH", "BASH_ENV=/evil/payload", "ENV=/evil/payload", "SHELLOPTS=xtrace", "PS4=$(touch /evil/x)", "IFS=/", "CDPATH=/evil"),
	variables("shell-function", "an exported function named tr (CVE-2014-6271)", "BASH_FUNC_tr%%=() { /bin/touch /evil/x; }", "BASH_FUNC_ls()=() { :; }"),
	variables("interpreters", "PYTHONPATH (CVE-2024-48990), PERL5LIB, PERL5OPT, RUBYLIB, NODE_OPTIONS", "PYTHONPATH=/evil", "PYTHONSTARTUP=/evil/x", "PERL5LIB=/evil", "PERL5OPT=-Mx", "RUBYLIB=/evil",
		"RUBYOPT=-rx", "NODE_OPTIONS=--require=/evil", "JAVA_TOOL_OPTIONS=-javaagent:/evil"),
	variables("go", "GODEBUG, GOTRACEBACK, GOCOVERDIR, GOGC, GOMEMLIMIT, GOMAXPROCS, of the helper's own runtime", "GODEBUG=gctrace=1,inittrace=1,schedtrace=1", "GOTRACEBACK=crash", "GOCOVERDIR=/evil",
		"GOGC=1", "GOMEMLIMIT=1", "GOMAXPROCS=1"),
	variables("search-path", "PATH with the caller's folder in front", "PATH=/evil:/usr/bin:/bin"),
	variables("identity", "SUDO_COMMAND, USER, LOGNAME, HOME, MAIL, XDG_*", "USER=evil", "LOGNAME=evil", "HOME=/evil", "MAIL=/evil", "XDG_CONFIG_HOME=/evil", "XDG_RUNTIME_DIR=/evil"),
	variables("editors", "EDITOR with -- (CVE-2023-22809), PAGER, LESSOPEN, GIT_SSH_COMMAND", "EDITOR=vi -- /evil", "VISUAL=/evil", "PAGER=/evil", "LESSOPEN=|/evil", "GIT_SSH_COMMAND=/evil"),
	tells("many", "10,000 variables", `exec perl -e 'for (1..10000) { $ENV{"evil$_"} = "x" x 20 } exec @ARGV' "$@"`, has("env evil")),
	tells("malformed", "variables without a name, without =, and twice", `exec env '=evil=1' perl -e '$ENV{"evil\n2"} = 1; exec @ARGV' "$@"`, has("evil")),
}

// has reports whether the command told a text.
func has(text string) func(result) bool {
	return func(r result) bool { return strings.Contains(r.out, text) || !strings.Contains(r.out, "\narguments ") }
}

// hasNot reports whether the command told anything but this line.
func hasNot(line string) func(result) bool {
	return func(r result) bool { return !hasLine(r.out, line) }
}
