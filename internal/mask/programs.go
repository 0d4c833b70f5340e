package mask

import (
	"regexp"
	"slices"
	"strings"
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

// programArg reports whether argument i holds a secret behind an option of the program that argv runs, and where it
// begins.
func programArg(argv []string, i int) (from int, known bool) {
	arg := argv[i]
	if strings.HasPrefix(arg, "pass:") && runs(argv, i, "openssl") {
		return len("pass:"), true
	}
	for _, o := range secretOptions {
		if !o.matches(argv, i) {
			continue
		}
		if o.glued && strings.HasPrefix(arg, o.option) && len(arg) > len(o.option) && !strings.HasPrefix(arg, "--") {
			if from, ok := o.secretFrom(arg, len(o.option)); ok {
				return from, true
			}
		}
		if o.next && i > 0 && argv[i-1] == o.option && o.after != 0 {
			if from, ok := o.secretFrom(arg, 0); ok {
				return from, true
			}
		}
	}
	return 0, false
}

// markPrograms marks the arguments that are secret as a whole.
func markPrograms(argv []string, secret []bool) {
	for i := 1; i < len(argv); i++ {
		for _, o := range secretOptions {
			if o.next && o.after == 0 && argv[i-1] == o.option && o.matches(argv, i) {
				secret[i] = true
			}
		}
		// rabbitmqctl add_user NAME PASSWORD
		if i >= 3 && (argv[i-2] == "add_user" || argv[i-2] == "change_password") && runs(argv, i-2, "rabbitmqctl") {
			secret[i] = true
		}
	}
}

func (o secretOption) secretFrom(arg string, from int) (int, bool) {
	if o.after == 0 {
		return from, true
	}
	n := strings.IndexByte(arg[from:], o.after)
	return from + n + 1, n >= 0
}

func (o secretOption) matches(argv []string, i int) bool {
	return slices.ContainsFunc(o.programs, func(p string) bool { return runs(argv, i, p) })
}

// runs reports whether the program stands before argument i: first of all, or behind sudo, env, ip netns exec and others.
func runs(argv []string, i int, program string) bool {
	start, any := strings.CutSuffix(program, "*")
	return slices.ContainsFunc(argv[:i], func(arg string) bool {
		base := arg[strings.LastIndexByte(arg, '/')+1:]
		return base == start || any && strings.HasPrefix(base, start)
	})
}

// inText finds the same in a line of a shell's trace or of ps, for the two that show up there.
var inText = regexp.MustCompile(`((?:^|[\s/;|&(])(?:(?:mysql|mariadb)[a-z_]*\s(?:[^\n;|&]*?\s)?-p|sshpass\s+-p\s*))[^\s;|&]+`)

func programsInText(s string) string {
	if !strings.Contains(s, "-p") {
		return s
	}
	return inText.ReplaceAllString(s, "${1}"+Masked)
}
