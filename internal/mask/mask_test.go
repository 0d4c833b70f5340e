package mask_test

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/privhelper/privhelper/internal/mask"
)

const secret = "S3cr3t,pa ss"

// Each command line holds the secret once; want is what shows of that argument.
func TestArgs(t *testing.T) {
	for _, c := range []struct {
		argv []string
		want string
	}{
		// What mask_password finds in a joined line, as arguments.
		{[]string{"mysqld", "--password", secret}, "***"},
		{[]string{"mysqld", "--password=" + secret}, "--password=***"},
		{[]string{"x", "adminPass=" + secret}, "adminPass=***"},
		{[]string{"openstack", "--os-password", secret, "list"}, "***"},
		{[]string{"iscsiadm", "-m", "node", "-o", "update", "-n", "node.session.auth.password_in", "--value", secret}, "***"},
		{[]string{"iscsiadm", "-m", "node", "-o", "update", "-n", "node.session.auth.password_in", "--value=" + secret}, "--value=***"},
		{[]string{"iscsiadm", "-m", "node", "-o", "update", "-v", secret, "--name", "node.session.auth.password"}, "***"},
		{[]string{"x", "auth.password_in", "--value", secret}, "***"},
		{[]string{"x", "--auth-token", "-" + secret}, "***"},
		{[]string{"iscsiadm", "-m", "node", "--op", "update", "-n", "node.session.auth.password", "-v", secret}, "***"},
		{[]string{"x", `{"auth": {"adminPass": "` + secret + `"}}`}, `{"auth": {"adminPass": "***"}}`},
		{[]string{"x", "<adminPass>" + secret + "</adminPass>"}, "<adminPass>***</adminPass>"},

		// What it misses.
		{[]string{"mysql", "-uroot", "-p" + secret, "nova"}, "-p***"},
		{[]string{"sudo", "-n", "/usr/bin/mysqldump", "-p" + secret}, "-p***"},
		{[]string{"sshpass", "-p", secret, "ssh", "host"}, "***"},
		{[]string{"sshpass", "-p" + secret, "ssh", "host"}, "-p***"},
		{[]string{"git", "clone", "https://user:S3cr3t@host/r.git"}, "https://user:***@host/r.git"},
		{[]string{"git", "clone", "https://user:S3cr3t/pa?ss@host/r.git"}, "https://user:***@host/r.git"},
		{[]string{"git", "clone", "https://S3cr3t@host/r.git"}, "https://***@host/r.git"},
		{[]string{"x", "rabbit://nova:S3cr3t@a:5672,nova:S3cr3t@b:5672/"}, "rabbit://nova:***@b:5672/"},
		{[]string{"curl", "-H", "X-Auth-Token: " + secret}, "X-Auth-Token: ***"},
		{[]string{"curl", "-H", "Authorization: Bearer " + secret}, "Authorization: ***"},
		{[]string{"curl", "-u", "me:" + secret, "http://h"}, "me:***"},
		{[]string{"curl", "--user", "me:" + secret, "http://h"}, "me:***"},
		{[]string{"env", "AWS_SECRET_ACCESS_KEY=" + secret, "aws"}, "AWS_SECRET_ACCESS_KEY=***"},
		{[]string{"env", "AWS_SESSION_TOKEN=" + secret, "aws"}, "AWS_SESSION_TOKEN=***"},
		{[]string{"x", "my_key=" + secret}, "my_key=***"},
		{[]string{"x", "--api-key", secret}, "***"},
		{[]string{"env", "OS_PASSWORD=" + secret}, "OS_PASSWORD=***"},
		{[]string{"env", "PGPASSWORD=" + secret}, "PGPASSWORD=***"},
		{[]string{"mount", "-o", "username=u,password=" + secret, "//h/s"}, "username=u,password=***"},
		{[]string{"psql", "host=h password=" + secret}, "host=h password=***"},
		{[]string{"ipmitool", "-H", "h", "-U", "u", "-P", secret}, "***"},
		{[]string{"openssl", "rsa", "-passin", "pass:" + secret}, "pass:***"},
		{[]string{"ldapsearch", "-w", secret}, "***"},
		{[]string{"redis-cli", "-a", secret}, "***"},
		{[]string{"smbclient", "-U", "u%" + secret}, "u%***"},
		{[]string{"rabbitmqctl", "add_user", "u", secret}, "***"},
		{[]string{"sh", "-c", "mysql -uroot -pS3cr3t nova"}, "mysql -uroot -p*** nova"},
		{[]string{"sh", "-c", "curl -H 'X-Auth-Token: " + secret + "' h"}, "curl -H 'X-Auth-Token: ***' h"},
	} {
		got := (mask.Masker{}).Args(c.argv)
		if strings.Contains(strings.Join(got, "\n"), "S3cr3t") || !slices.Contains(got, c.want) || len(got) != len(c.argv) {
			t.Errorf("Args(%q) = %q, want %q in it", c.argv, got, c.want)
		}
	}
}

// What is no secret stays to be read: an operator looks for the cause in it.
func TestArgsKeepsTheRest(t *testing.T) {
	for _, argv := range [][]string{
		{"ip", "link", "set", "eth0", "mtu", "9000"},
		{"passwd", "-S", "root"},
		{"ssh", "-p", "22", "-i", "/root/.ssh/id_ed25519", "host"},
		{"mysql", "-P3306", "--port=3306"},
		{"git", "clone", "ssh://git@host/r.git"},
		{"curl", "http://host:8080/path@2x.png", "http://[::1]:80/path@2x.png"},
		{"x", "--password-file=/etc/pw", "--public-key=AAAA", "--token-ttl=30"},
		{"env", "PWD=/root", "HOME=/root", "KEYMAP=us", "COMPASS=north"},
		{"x", "bypass=1", "keyboard=de", "monkey=banana"},
		{"sort", "--key", "2"},
		{"x", "\xff\xfe", ""},
	} {
		if got := (mask.Masker{}).Args(argv); !slices.Equal(got, argv) {
			t.Errorf("Args(%q) = %q", argv, got)
		}
	}
}

func TestValuesOfTheCaller(t *testing.T) {
	m := mask.New("hunter2", "", `q"uo	te`, "hunter2-longer", "a b&c")
	for in, want := range map[string]string{
		"x hunter2 y hunter2":                  "x *** y ***",
		"hunter2-longer":                       "***",
		`q"uo	te and "q\"uo\tte"`:              `*** and "***"`,
		"http://h/?x=a+b%26c http://a%20b%26c": "http://h/?x=*** http://***",
		"\xffhunter2\xfe":                      "\xff***\xfe",
	} {
		if got := m.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
		if got := m.Args([]string{"echo", in})[1]; got != want {
			t.Errorf("Args(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"> X-Auth-Token: abc def\n> Accept: */*": "> X-Auth-Token: ***\n> Accept: */*",
		"token: abc":                             "token: ***",
		"invalid token: unexpected '}'":          "invalid token: unexpected '}'",
		`{"token": 17, "a": 1}`:                  `{"token": ***, "a": 1}`,
		`msg="{\"adminPass\": \"x y\"}"`:         `msg="{\"adminPass\": \"***\"}"`,
		"-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nrest": "-----BEGIN RSA PRIVATE KEY-----***-----END RSA PRIVATE KEY-----\nrest",
		"-----BEGIN CERTIFICATE-----\nMII\n":                                        "-----BEGIN CERTIFICATE-----\nMII\n",
		"+ mysqldump -u root -psecret db":                                           "+ mysqldump -u root -p*** db",
		"\xff password=\xfe\xfd end \xff":                                           "\xff password=*** end \xff",
	} {
		if got := (mask.Masker{}).Text(in); got != want {
			t.Errorf("Text(%q)\n   = %q\nwant %q", in, got, want)
		}
	}
}

// Where the middle of an output was left out, no half of a secret may stand beside the gap.
func TestCut(t *testing.T) {
	m := mask.New("hunter2\nhunter3")
	for _, c := range []struct{ head, tail, wantHead, wantTail string }{
		{"one\npassword=ab", "cd\ntwo\n", "one\n", "two\n"},
		{"no line", "at all", "", ""},
		{"one\nhunter2\nhun", "ter3\ntwo", "one\n", "two"},
		{"one\n", "MIIB\n-----END PRIVATE KEY-----\ntwo", "one\n", "***-----END PRIVATE KEY-----\ntwo"},
	} {
		if head, tail := m.Cut(c.head, c.tail); head != c.wantHead || tail != c.wantTail {
			t.Errorf("Cut(%q, %q) = %q, %q, want %q, %q", c.head, c.tail, head, tail, c.wantHead, c.wantTail)
		}
	}
}

// What a hostile client can send, or a command print, takes a time in proportion to its length: sixteen times as much of it
// takes about as long as sixteen times that much, which is as likely to be interrupted by what else this machine does.
func TestTimeIsLinear(t *testing.T) {
	took := func(text string, n, times int) time.Duration {
		best := time.Hour
		words := make([]string, n)
		for i := range words {
			words[i] = text
		}
		for range 5 {
			begun := time.Now()
			for range times {
				mask.Masker{}.Text(strings.Repeat(text, n))
				mask.Masker{}.Args(words)
			}
			best = min(best, time.Since(begun))
		}
		return best
	}
	for _, text := range []string{"", "://", "a://b:c@d", "://a@", "token: ", "-----BEGIN ", "-----BEGIN PRIVATE KEY", "'password', '-v ", `"password", "-`,
		`password=\`, "password ", "<password>", "mysql -p", "mysql ", "password='", "password[", "x password: ", "key -", `\`, `password="\\\\\\`, "-n", "-v"} {
		few, many := took(text, 512, 16), took(text, 512*16, 1)
		if many > 6*few {
			t.Errorf("%q: 16 times 512 take %v, once 8192 takes %v", text, few, many)
		}
	}
}

// A list that ends in the midst of an option was read past its end.
func TestTextEnds(t *testing.T) {
	for _, text := range []string{"'password', '-v", "'password', '-v'", "'password', '-v', ", "'password', '-", "'password',", `"x.password", "--value", "y`} {
		for n := range len(text) + 1 {
			mask.Masker{}.Text(text[:n])
		}
	}
}

// A hostile text costs no more than its length allows: it would take minutes where each piece looks to the text's end.
func TestLongText(t *testing.T) {
	began := time.Now()
	for _, piece := range []string{"://", "token:", "password='", "--password ", "<token>", "-----BEGIN "} {
		mask.Masker{}.Text(strings.Repeat(piece, 128<<10/len(piece)))
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
}

// FuzzText holds what every text keeps: masking twice is masking once for what the caller named, it ends, and bytes
// outside of secrets stay.
func FuzzText(f *testing.F) {
	for _, s := range []string{"password=x", `'a': u'b'`, "://a:b@c", "<token>", "--password", "'password', '-v", "-----BEGIN PRIVATE KEY-----", "\xff'password\\'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m := mask.New("hunter2")
		for _, got := range []string{m.Text(s + "hunter2" + s), m.Args([]string{"x", s, "hunter2" + s})[2], m.Env([]string{s + "=hunter2"})[0]} {
			if strings.Contains(got, "hunter2") {
				t.Errorf("%q shows the secret: %q", s, got)
			}
		}
		if got := m.Text("password=" + strings.ReplaceAll(s, "\n", "")); utf8.ValidString(s) && !strings.HasPrefix(got, "password=") {
			t.Errorf("%q lost its name: %q", s, got)
		}
		if got := m.Text(s + "\npassword=S3cr3t"); strings.Contains(got, "S3cr3t") && !strings.Contains(s, "S3cr3t") {
			t.Errorf("after %q the secret shows: %q", s, got)
		}
		m.Cut(s, s)
	})
}

func BenchmarkArgs(b *testing.B) {
	argv := []string{"sudo", "-n", "ip", "netns", "exec", "qrouter-1", "iptables-restore", "--noflush", "--wait"}
	for b.Loop() {
		mask.Masker{}.Args(argv)
	}
}
