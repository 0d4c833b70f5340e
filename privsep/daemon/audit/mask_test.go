package audit_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/privsep/daemon/audit"
)

// oslo CVE-2014-7230 and CVE-2014-7231: passwords of command lines stood in logs. What masks is internal/mask; here is
// whether every place of a line that may quote an argument goes through it.
func TestSecretsAreMasked(t *testing.T) {
	const secret = "s3cr,3t/%41"
	for _, argv := range [][]string{
		{"mysqladmin", "--password=" + secret, "status"},
		{"mysqladmin", "--password", secret, "status"},
		{"mysqladmin", "--PassWord", secret},
		{"env", "OS_PASSWORD=" + secret, "nova", "list"},
		{"iscsiadm", "-m", "node", "--op", "update", "-n", "node.session.auth.password", "-v", secret},
		{"mysql", "-p" + secret},
		{"curl", "-H", "X-Auth-Token: " + secret},
		{"curl", "-H", "Authorization: Bearer " + secret},
		{"curl", "-d", `{"auth": {"adminPass": "` + secret + `", "user": "me"}}`},
		{"curl", "-d", `{'admin_pass' : '` + secret + `'}`},
		{"rbd", "--keyring", "/x", "--secret=" + secret},
		{"rabbitmqctl", "-rabbit", "amqp://guest:" + secret[:6] + "@host:5672/" /* a URL's is escaped */},
		{"git", "clone", "https://user:" + strings.ReplaceAll(secret, "/", "%2F") + "@host/repo"},
		{"x", "--fernetkey", secret}, {"x", "--aws-secret-access-key=" + secret}, {"x", "apikey=" + secret},
		{"x", "a=1 password=" + strings.ReplaceAll(secret, ",", "") + " b=2"},
	} {
		e := match(argv...)
		e.Request.Env, e.Verdict.Env = []string{"PGPASSWORD=" + secret}, []string{"TOKEN=" + secret}
		// What quotes an argument must not say it again.
		e.Verdict.Near = []filters.Near{{Reason: fmt.Sprintf("argument %q is not this; %s", argv, argv[len(argv)-1])}}
		e.Err = errors.New("start " + strings.Join(argv, " "))
		var out bytes.Buffer
		audit.New(&out).Decision(e)
		if strings.Contains(out.String(), "s3cr") || !strings.Contains(out.String(), "***") || !strings.Contains(out.String(), argv[0]) {
			t.Errorf("%q: %s", argv, out.String())
		}
	}
}

func TestOthersAreNotMasked(t *testing.T) {
	for _, argv := range [][]string{
		{"ip", "link", "set", "eth0", "mtu", "1500"},
		{"mysqladmin", "--password-file=/etc/mysql.pw", "--defaults-file", "/etc/my.cnf"},
		{"x", "--token-id=7", "--secret-name", "db", "password"},
		{"mount", "-o", "vers=3,rw", "host:/export", "/mnt"},
		{"dnsmasq", "--conf-file=", "--dhcp-range=set:tag0,10.0.0.1,static,86400s", "https://host:80/path"},
		{"a://b@c:d", "--password"},
	} {
		o := write(t, match(argv...))
		if got := fmt.Sprint(o["argv"]); got != fmt.Sprint(argv) {
			t.Errorf("%q became %s", argv, got)
		}
	}
}

// What one request can ask for takes a time that grows with its length, and not with the square of it.
func TestMaskingIsBounded(t *testing.T) {
	for _, piece := range []string{"password=x,", "a://b:c@d", "token: ", `"`, "://", "password", "=", "-"} {
		long := strings.Repeat(piece, 1<<20/len(piece))
		words := strings.Split(strings.Repeat(piece+" ", 1<<18/len(piece)), " ")
		write(t, match(long))
		write(t, match(words...))
	}
}

func FuzzLine(f *testing.F) {
	f.Add("--password", "x\ny", "a://b:c@d")
	f.Add("-n", "node.session.auth.password", "-v")
	f.Add("\xff\u202e", `{"token": "`, "Authorization:  'x")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		e := match(a, b, c)
		e.Request.Env = []string{c, b}
		e.Verdict.Near = []filters.Near{{Reason: a + b}}
		e.Err = errors.New(b + c)
		var out bytes.Buffer
		audit.New(&out).Decision(e)
		if out.Len() > 8<<10 {
			t.Errorf("%d bytes", out.Len())
		}
		decode(t, out.Bytes())
		// What follows an option of this name is never seen, whatever it is, unless it looks like an option itself.
		secret := strings.TrimLeft(a, "-")
		if len(secret) < 12 || len(secret) > 100 || strings.Contains("password client_uid client_pid unauthorized not_executable", secret) {
			return
		}
		if got := fmt.Sprint(write(t, match("x", "--password", secret))["argv"]); strings.Contains(got, secret) {
			t.Errorf("%s", got)
		}
	})
}
