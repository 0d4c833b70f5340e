package filters

import "strings"

// unsafeEnvNames change which code a program loads or runs, for the common loaders, shells and interpreters. A name
// that ends in * stands for all that begin so. The list follows glibc's unsecure variables and sudo's initial_badenv
// table, with what needrestart's CVE-2024-48990 and GLIBC_TUNABLES' CVE-2023-4911 taught.
var unsafeEnvNames = strings.Fields(`
	LD_* GLIBC_TUNABLES GCONV_PATH GETCONF_DIR HOSTALIASES LOCALDOMAIN LOCPATH MALLOC_* NIS_PATH NLSPATH
	RESOLV_HOST_CONF RES_OPTIONS TZDIR
	PATH IFS ENV BASH_ENV BASH_FUNC_* BASHOPTS SHELLOPTS CDPATH FPATH ZDOTDIR NULLCMD READNULLCMD PS4 PROMPT_COMMAND
	PERLIO_DEBUG PERLLIB PERL5* PYTHON* RUBYLIB RUBYOPT NODE_OPTIONS NODE_PATH LUA_* TCLLIBPATH
	JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH
	GODEBUG GOTRACEBACK GOCOVERDIR
	TERMINFO TERMINFO_DIRS TERMPATH TERMCAP
	OPENSSL_CONF OPENSSL_CONF_INCLUDE OPENSSL_ENGINES OPENSSL_MODULES KRB5_CONFIG* KRB5_KTNAME
	GIO_EXTRA_MODULES GIO_MODULE_DIR GTK_MODULES QT_PLUGIN_PATH
	GIT_* SSH_ASKPASS EDITOR VISUAL PAGER LESSOPEN LESSCLOSE`)

func unsafeEnvName(name string) bool {
	if name == "" {
		return false
	}
	for _, bad := range unsafeEnvNames {
		if bad[0] != name[0] {
			continue
		}
		if prefix, ok := strings.CutSuffix(bad, "*"); ok && strings.HasPrefix(name, prefix) || name == bad {
			return true
		}
	}
	return false
}

// validEnvName accepts what POSIX does, in either case.
func validEnvName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
