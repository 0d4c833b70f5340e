package filters_test

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/privhelper/privhelper/filters"
)

func TestParseConfig(t *testing.T) {
	c, warnings, err := filters.ParseConfig("r.conf", []byte(`[DEFAULT]
filters_path=/etc/a.d,/usr/share/a
exec_dirs=/sbin,/bin
use_syslog=ON
syslog_log_facility=LOG_LOCAL3
syslog_log_level=info
daemon_timeout= 5
rlimit_nofile=1_000
semantics = strict
capabilities = CAP_NET_ADMIN,
  CAP_NET_RAW
user = neutron-helper
group = 4000
trusted_groups = store, nix
colour = red
[xenapi]
url = x
`), false)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.FiltersPath, []string{"/etc/a.d", "/usr/share/a"}) || !slices.Equal(c.ExecDirs, []string{"/sbin", "/bin"}) ||
		!c.UseSyslog || c.SyslogFacility != "local3" || c.SyslogLevel != "INFO" || c.DaemonTimeout != 5*time.Second ||
		c.RlimitNofile != 1000 || !c.HasRlimitNofile || !c.HasCapabilities ||
		!slices.Equal(c.Capabilities, []string{"CAP_NET_ADMIN", "CAP_NET_RAW"}) || c.User != "neutron-helper" ||
		c.Group != "4000" || !slices.Equal(c.TrustedGroups, []string{"store", "nix"}) {
		t.Errorf("%+v", c)
	}
	if len(warnings) != 2 || !strings.Contains(warnings[0].String(), "r.conf:16: section [xenapi]") || !strings.Contains(warnings[1].String(), `r.conf:15: option "colour"`) {
		t.Errorf("warnings: %v", warnings)
	}
}

func TestConfigDefaults(t *testing.T) {
	c, _, err := filters.ParseConfig("r.conf", []byte("[DEFAULT]\nfilters_path=/x\n"), true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Semantics != filters.Strict || c.UseSyslog || c.SyslogFacility != "syslog" || c.SyslogLevel != "ERROR" ||
		c.DaemonTimeout != 10*time.Minute || c.RlimitNofile != 1024 || c.HasRlimitNofile || c.HasCapabilities ||
		strings.Join(c.ExecDirs, ":") != filters.DefaultPath {
		t.Errorf("%+v", c)
	}
}

// TestConfigErrors has the cases of the oracle's config_cases.jsonl with Python's own words, and ours.
func TestConfigErrors(t *testing.T) {
	const head = "[DEFAULT]\nfilters_path=/x\n"
	for _, test := range []struct {
		text, want string
		value      bool
	}{
		{"", "r.conf: has no filters_path", false},
		{"not ini at all\n", "r.conf:1: ", false},
		{"[DEFAULT]\nexec_dirs=/bin\n", "r.conf: has no filters_path", false},
		{head + "filters_path=/y\n", "r.conf:3: option \"filters_path\" stands here again", false},
		{head + "[a]\n[a]\n", "r.conf:4: section [a] stands here again", false},
		{head + "syslog_log_level=LOUD\n", "r.conf:3: Unexpected syslog_log_level: 'LOUD'", true},
		{head + "syslog_log_level=10\n", "Unexpected syslog_log_level: '10'", true},
		{head + "syslog_log_facility=LOCAL3\n", "Unexpected syslog_log_facility: LOCAL3", true},
		{head + "syslog_log_facility=nope\n", "Unexpected syslog_log_facility: nope", true},
		{head + "use_syslog=maybe\n", "Not a boolean: maybe", true},
		{head + "daemon_timeout=x\n", "invalid literal for int() with base 10: 'x'", true},
		{head + "daemon_max_output=0\n", "daemon_max_output: 0 is not between 1 and", true},
		{head + "daemon_max_commands=-1\n", "daemon_max_commands: -1 is not between 1 and", true},
		{head + "daemon_max_memory=64M\n", "invalid literal for int()", true},
		{head + "rlimit_nofile=1__0\n", "invalid literal for int()", true},
		{head + "semantics=loose\n", `semantics "loose" is not known`, true},
		{head + "capabilities=net_admin\n", `capability "net_admin" is not known`, true},
		{head + "capabilities=CAP_KILL CAP_KILL\n", "stands twice", true},
		{head + "user=-1\n", `user "-1"`, true},
		{head + "user=4294967295\n", `user "4294967295"`, true},
		{head + "colour=red\n", `option "colour" is not known`, true},
		{head + "[extra]\n", "section [extra] is not known", true},
		{head + "exec_dirs=/bin, /sbin\n", `r.conf:3: exec_dirs: " /sbin" is not an absolute path`, true},
		{"[DEFAULT]\nfilters_path=f.d\n", `r.conf:2: filters_path: "f.d" is not an absolute path`, true},
		{head + "user=a\xff\n", "r.conf:3: is not UTF-8", true},
	} {
		_, _, err := filters.ParseConfig("r.conf", []byte(test.text), true)
		var e *filters.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || e.Value != test.value {
			t.Errorf("%q: %v, want %q", test.text, err, test.want)
		}
	}
	if _, _, err := filters.ParseConfig("r.conf", []byte(head+"capabilities =\n"), true); err != nil {
		t.Errorf("no capability at all: %v", err)
	}
	if _, _, err := filters.ParseConfig("r.conf", []byte("[DEFAULT]\nfilters_path=f.d\nsemantics=oslo\ndaemon_timeout=-1\n"), true); err != nil {
		t.Errorf("oslo: %v", err)
	}
}

// TestSemantics: a policy decides by its configuration as it is when the policy is parsed (explain --semantics).
func TestSemantics(t *testing.T) {
	c, _, err := filters.ParseConfig("r.conf", []byte("[DEFAULT]\nfilters_path=/x\nexec_dirs=bin\nsemantics=oslo\n"), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := filters.ParsePolicy(c, nil); err != nil || len(warnings) != 1 {
		t.Errorf("oslo leaves a relative folder out: %v %v", warnings, err)
	}
	c.Semantics = filters.Strict
	if _, _, err := filters.ParsePolicy(c, nil); err == nil {
		t.Error("strict accepts a relative folder")
	}
	for _, s := range []filters.Semantics{filters.Strict, filters.Oslo} {
		if back, err := filters.ParseSemantics(s.String()); err != nil || !reflect.DeepEqual(back, s) {
			t.Errorf("%v: %v %v", s, back, err)
		}
	}
}

// TestFacilities: the names of facilities, and the constants that Python's SysLogHandler has for them.
func TestFacilities(t *testing.T) {
	for value, want := range map[string]string{
		"auth": "auth", "LOG_AUTHPRIV": "authpriv", "local7": "local7", "LOG_LOCAL0": "local0", "LOG_SECURITY": "security",
		"solaris-cron": "solaris-cron", "LOG_SOLCRON": "solaris-cron", "LOG_SOLARIS-CRON": "", "solcron": "",
		"LOG_EMERG": "kern", "LOG_DEBUG": "news", "emerg": "", "LOG_": "", "log_auth": "", "LOG_auth": "", "AUTH": "", "": "",
	} {
		c, _, err := filters.ParseConfig("r.conf", []byte("[DEFAULT]\nfilters_path=/x\nsyslog_log_facility="+value+"\n"), false)
		if (err == nil) != (want != "") || c.SyslogFacility != want {
			t.Errorf("%s is %q, %v; want %q", value, c.SyslogFacility, err, want)
		}
	}
}
