package mask

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// secretOption is an option of a program by which a secret is given: its own argument follows it, or is glued to it.
type secretOption struct {
	programs []string // base names; a * at the end stands for any rest
	option   string
	glued    bool // -pX
	next     bool // -p X
	after    byte // only what stands after this byte of the value is secret: -u user:password; 0: all
}

var secretOptions = []secretOption{
	{[]string{"mysql*", "mariadb*", "mycli"}, "-p", true, false, 0},
	{[]string{"sshpass"}, "-p", true, true, 0},
	{[]string{"curl"}, "-u", true, true, ':'},
	{[]string{"curl"}, "--user", false, true, ':'},
	{[]string{"curl"}, "-U", true, true, ':'},
	{[]string{"curl"}, "--proxy-user", false, true, ':'},
	{[]string{"ipmitool", "ipmipower", "mosquitto_pub", "mosquitto_sub"}, "-P", true, true, 0},
	{[]string{"ldapsearch", "ldapadd", "ldapmodify", "ldapdelete", "ldappasswd", "ldapwhoami"}, "-w", true, true, 0},
	{[]string{"redis-cli"}, "-a", true, true, 0},
	{[]string{"smbclient", "rpcclient", "net"}, "-U", true, true, '%'},
	{[]string{"openssl"}, "-k", false, true, 0},
	{[]string{"openssl"}, "-K", false, true, 0},
	{[]string{"useradd", "usermod"}, "-p", true, true, 0},
}

// A programLine is a command line with the place of each program that is known for a secret: first of all, or behind sudo,
// env, ip netns exec and others.
type programLine struct {
	argv    []string
	options []int // where the first program of each of secretOptions stands; len(argv): nowhere
	openssl int
	rabbit  int
}

func programsIn(argv []string) programLine {
	l := programLine{argv: argv, openssl: len(argv), rabbit: len(argv), options: make([]int, len(secretOptions))}
	for n, o := range secretOptions {
		l.options[n] = len(argv)
		if slices.ContainsFunc(argv, func(arg string) bool { return strings.HasPrefix(arg, o.option) }) {
			l.options[n] = first(argv, o.programs)
		}
	}
	if slices.ContainsFunc(argv, func(arg string) bool { return strings.HasPrefix(arg, "pass:") }) {
		l.openssl = first(argv, []string{"openssl"})
	}
	if slices.Contains(argv, "add_user") || slices.Contains(argv, "change_password") {
		l.rabbit = first(argv, []string{"rabbitmqctl"})
	}
	return l
}

// first is the place of the first of these programs, of which one may end in a * for any rest, or len(argv).
func first(argv, programs []string) int {
	for i, arg := range argv {
		base := arg[strings.LastIndexByte(arg, '/')+1:]
		for _, p := range programs {
			if start, any := strings.CutSuffix(p, "*"); base == start || any && strings.HasPrefix(base, start) {
				return i
			}
		}
	}
	return len(argv)
}

// arg reports whether argument i holds a secret behind an option of the program that argv runs, and where it begins.
func (l programLine) arg(i int) (from int, known bool) {
	arg := l.argv[i]
	if strings.HasPrefix(arg, "pass:") && l.openssl < i {
		return len("pass:"), true
	}
	for n, o := range secretOptions {
		if l.options[n] >= i {
			continue
		}
		if o.glued && strings.HasPrefix(arg, o.option) && len(arg) > len(o.option) && !strings.HasPrefix(arg, "--") {
			if from, ok := o.secretFrom(arg, len(o.option)); ok {
				return from, true
			}
		}
		if o.next && l.argv[i-1] == o.option && o.after != 0 {
			if from, ok := o.secretFrom(arg, 0); ok {
				return from, true
			}
		}
	}
	return 0, false
}

// secret reports whether argument i is secret as a whole.
func (l programLine) secret(i int) bool {
	for n, o := range secretOptions {
		if l.options[n] < i && o.next && o.after == 0 && l.argv[i-1] == o.option {
			return true
		}
	}
	// rabbitmqctl add_user NAME PASSWORD
	return i >= 2 && (l.argv[i-2] == "add_user" || l.argv[i-2] == "change_password") && l.rabbit < i-2
}

func (o secretOption) secretFrom(arg string, from int) (int, bool) {
	if o.after == 0 {
		return from, true
	}
	n := strings.IndexByte(arg[from:], o.after)
	return from + n + 1, n >= 0
}

// inText finds the same in a line of a shell's trace or of ps, for the two that show up there. Compiled when first needed, as every
// expression that `privhelper run` is linked with: its start waits for what is not.
var inText = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`((?:^|[\s/;|&(])(?:(?:mysql|mariadb)[a-z_]*\s(?:[^\n;|&]*?\s)?-p|sshpass\s+-p\s*))[^\s;|&]+`)
})

func programsInText(s string) string {
	if !strings.Contains(s, "-p") {
		return s
	}
	return inText().ReplaceAllString(s, "${1}"+Masked)
}
