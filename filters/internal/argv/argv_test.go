package argv

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern string
		yes     []string // argument lists, cut at blanks; "-" alone for none
		no      []string
	}{
		{"", []string{""}, []string{"x"}},
		{"link, set, <ifname>, up|down", []string{"link set eth0 up", "link set br-1.2 down"},
			[]string{"link set eth0", "link set eth0 up up", "link set -all up", "link set eth0 upp", "link set a/b up", "link set .. up", "link set sixteencharacter up"}},
		{"[-n, <netns>], link, show, [<ifname>]", []string{"link show", "-n ns1 link show", "-n ns1 link show eth0", "link show eth0"},
			[]string{"-n link show", "-n -n link show", "link", "link show eth0 eth1", "-n a/b link show"}},
		{"<name>*", []string{"a", "a b c"}, []string{"", "-a", "a -b", ".a"}},
		{"[<name>]*, end", []string{"end", "a end", "end end end"}, []string{"", "a"}},
		{"[-e, <name>, [as, <name>]]*, x", []string{"x", "-e a x", "-e a as b -e c x"}, []string{"-e x", "-e a as x", "as b x"}},
		{"[a, [b]], [c]", []string{"", "a", "a b", "a b c", "c", "a c"}, []string{"b", "c a", "a b b"}},
		{"mtu=<int:68-9000>", []string{"mtu=68", "mtu=9000"}, []string{"mtu=67", "mtu=068", "mtu=+68", "mtu=", "mtu=68x", "mtu=99999999999999999999"}},
		{"<int>", []string{"0", "9223372036854775807"}, []string{"-1", "00", "1_0", "9223372036854775808", "1e3", "٣"}},
		{"nice=<int:-20-19>", []string{"nice=-20", "nice=19"}, []string{"nice=-21", "nice=-0", "nice=--1"}},
		// A negative number alone looks like an option, so it must be written with what goes before it.
		{"<int:-5-5>", []string{"3"}, []string{"-3"}},
		{"<mac>", []string{"fa:16:3e:00:AA:ff"}, []string{"fa:16:3e:00:aa", "fa-16-3e-00-aa-ff", "fa:16:3e:00:aa:gg"}},
		{"<ip>|default", []string{"10.0.0.1", "fe80::1", "default"}, []string{"10.0.0.01", "10.0.0", "fe80::1%eth0", "10.0.0.1/8"}},
		{"<cidr>", []string{"10.0.0.0/8", "::/0"}, []string{"10.0.0.0", "10.0.0.0/33", "10.0.0.0/08"}},
		{"<uuid>", []string{"123e4567-e89b-12d3-a456-426614174000"}, []string{"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"}},
		{"<netns>", []string{"qrouter-123e4567-e89b"}, []string{"..", ".", "a/b", "-n"}},
		{"<re:[a-z]+|x1>", []string{"abc", "x1"}, []string{"x1y", "abc1", "-abc", "ABC"}},
		{"<re:-.*>", nil, []string{"-x", "x"}},
		{"-<re:[vq]+>", []string{"-v", "-vq"}, []string{"-", "--", "-vx"}},
		{`<re:a{1,2}>, \<b\>, c\,d, e\ |f`, []string{"aa <b> c,d f"}, []string{"aaa <b> c,d f", "a b c,d f"}},
		{"of=<path:/var/lib/x>", []string{"of=/etc/passwd"}, []string{"of=", "of=etc", "/var/lib/x/a"}}, // where it leads is the caller's to see
		{"<name>:<name>", []string{"a:b"}, []string{"a:", ":b", "a:b:c", "a"}},
		{`\*, \[x\], a\|b, \\`, []string{`* [x] a|b \`}, []string{`* [x] a \`}},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%q: %v", c.pattern, err)
			continue
		}
		for _, list := range c.yes {
			if _, ok := p.Match(strings.Fields(list)); !ok {
				t.Errorf("%q refuses %q: %s", c.pattern, list, p.Explain(strings.Fields(list)))
			}
		}
		for _, list := range c.no {
			if _, ok := p.Match(strings.Fields(list)); ok {
				t.Errorf("%q allows %q", c.pattern, list)
			} else if p.Explain(strings.Fields(list)) == "" {
				t.Errorf("%q refuses %q for no reason", c.pattern, list)
			}
		}
	}
}

// An argument that holds what no field of a test could: nothing, a newline at its end, bytes that are no UTF-8.
func TestMatchBytes(t *testing.T) {
	for _, c := range []struct {
		pattern, arg string
		want         bool
	}{
		{"<name>", "", false},
		{"<name>", "a\n", false},
		{"<re:.*>", "", false},
		{"<re:a>", "a\n", false},
		{"<re:.>", "\xff", true},
		{"<re:[^/]+>", "a\nb", true},
		{"\xff<int>", "\xff7", true},
		{"a b", "a b", true},
		{`a\ `, "a ", true},
		{"a ", "a", true},
		{"<ifname>", "eth0\xff", false},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := p.Match([]string{c.arg}); ok != c.want {
			t.Errorf("%q, argument %q: %v", c.pattern, c.arg, ok)
		}
	}
}

func TestUses(t *testing.T) {
	p, err := Parse("[-v], [cp, <path:/a>]*, [<path:/b,fd>], to=<path:/c>|none")
	if err != nil {
		t.Fatal(err)
	}
	got, ok := p.Match(strings.Fields("-v cp /1 cp /2 /3 to=/4"))
	want := []Use{{2, 0, "/a", false}, {4, 0, "/a", false}, {5, 0, "/b", true}, {6, 3, "/c", false}}
	if !ok || fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v %v, want %v", got, ok, want)
	}
	if got, ok = p.Match([]string{"none"}); !ok || len(got) != 0 {
		t.Errorf("none: %v %v", got, ok)
	}
	// Either folder could take it: the first in the pattern does.
	p, _ = Parse("[<path:/a>], [<path:/b>]")
	if got, _ := p.Match([]string{"/x"}); len(got) != 1 || got[0].Dir != "/a" {
		t.Errorf("the first of two: %v", got)
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range [][2]string{
		{"a,,b", "empty"}, {"a,", "empty"}, {",", "empty"}, {"a||b", "empty"}, {"|", "empty"},
		{"*", `\*`}, {"a, *", `\*`}, {"a**", "comma"}, {"a*b", "comma"},
		{"[a", "not closed"}, {"a]", "comma"}, {"[]", "empty"}, {"[a]b", "comma"}, {"[[a]]*", "may be empty"},
		{"<int", "not closed"}, {"a>", "comma"}, {`a\`, "backslash"}, {`\d`, "backslash"},
		{"<what>", "not known"}, {"<ip:4>", "no parameter"}, {"<int:5>", "range"}, {"<int:5-1>", "smaller"}, {"<int:0-99999999999999999999>", "64 bits"},
		{"<path>", "absolute"}, {"<path:tmp>", "absolute"}, {"<path:/>", "every file"}, {"<path:/a/../b>", "/b"}, {"<path:/a/>", "/a"},
		{"<re:>", "pattern"}, {"<re:(>", "<re:(>"}, {"<re:a)(b>", "<re:a)(b>"}, {`<re:\1>`, `\1`},
		{"<name><int>", "side by side"}, {"<path:/a>:<name>", "last"}, {"<name>a", "last"}, {"<re:x>,y,<re:z>=", "last"},
		{strings.Repeat("[", 20) + "a" + strings.Repeat("]", 20), "deep"},
		{strings.Repeat("a,", maxSteps) + "a", "steps"},
	} {
		if _, err := Parse(c[0]); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%.40q: %v, want a word of %q", c[0], err, c[1])
		}
	}
}

func TestExplain(t *testing.T) {
	p, err := Parse("[-4|-6], addr, add, <cidr>, [dev, <ifname>]*")
	if err != nil {
		t.Fatal(err)
	}
	for list, want := range map[string]string{
		"addr del":                       `argument 2, "del", is not add`,
		"link":                           `argument 1, "link", is not -4|-6 or addr`,
		"-6":                             "it ends after 1 arguments, where addr must follow",
		"addr add 1.2.3.4":               `argument 3, "1.2.3.4", is not <cidr>`,
		"addr add 1.2.3.4/8 dev -x":      `argument 5, "-x", is an option that the rule does not have, which wants <ifname>`,
		"addr add 1.2.3.4/8 dev e also":  `argument 6, "also", is not dev`,
		"-6 -6 addr add 1.2.3.4/8 dev e": `argument 2, "-6", is an option that the rule does not have, which wants addr`,
	} {
		if got := p.Explain(strings.Fields(list)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", list, got, want)
		}
	}
}

// An element is a piece of a random pattern: an argument, or a group, which may be left out.
type element struct {
	word   string
	group  []element
	repeat bool
}

// What the machine of steps says, a plain search says too: it tries every way, which is slow and plainly right.
func TestAgainstSearch(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	agreed := map[bool]int{}
	for range 20_000 {
		seq := randomSequence(rng, 3)
		p, err := Parse(written(seq))
		if err != nil {
			if strings.Contains(err.Error(), "may be empty") {
				continue
			}
			t.Fatalf("%q: %v", written(seq), err)
		}
		args := make([]string, rng.IntN(7))
		for i := range args {
			args[i] = string("abc"[rng.IntN(3)])
		}
		want := search(seq, args, func(rest []string) bool { return len(rest) == 0 })
		if _, ok := p.Match(args); ok != want {
			t.Fatalf("%q, %q: %v, a search says %v", written(seq), args, ok, want)
		}
		agreed[want]++
	}
	if agreed[true] < 1000 || agreed[false] < 1000 {
		t.Errorf("the cases were all alike: %v", agreed)
	}
}

func randomSequence(rng *rand.Rand, depth int) []element {
	seq := make([]element, 1+rng.IntN(3))
	for i := range seq {
		if depth > 0 && rng.IntN(3) == 0 {
			seq[i] = element{group: randomSequence(rng, depth-1)}
		} else {
			seq[i].word = string("abc"[rng.IntN(3)])
		}
		seq[i].repeat = rng.IntN(4) == 0
	}
	return seq
}

func written(seq []element) string {
	var out []string
	for _, e := range seq {
		s := e.word
		if e.group != nil {
			s = "[" + written(e.group) + "]"
		}
		if e.repeat {
			s += "*"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func search(seq []element, args []string, rest func([]string) bool) bool {
	if len(seq) == 0 {
		return rest(args)
	}
	e := seq[0]
	after := func(args []string) bool { return search(seq[1:], args, rest) }
	var once func(args []string) bool
	again := func(before int) func([]string) bool {
		return func(args []string) bool {
			return after(args) || e.repeat && len(args) < before && once(args)
		}
	}
	once = func(args []string) bool {
		if e.group != nil {
			return search(e.group, args, again(len(args)))
		}
		return len(args) > 0 && args[0] == e.word && again(len(args))(args[1:])
	}
	return once(args) || e.group != nil && after(args)
}

// An argument list of any length costs what its length says: a search would take 2 to the power of it.
func BenchmarkMatch(b *testing.B) {
	p, err := Parse("[[a]*, [a]*, [a]*]*, b")
	if err == nil {
		b.Fatal("a group that may be empty repeats")
	}
	for _, n := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p, err = Parse("[a, [a]*, [a]*, [a]*]*, b")
			if err != nil {
				b.Fatal(err)
			}
			args := strings.Split(strings.Repeat("a ", n)+"c", " ")
			for b.Loop() {
				if _, ok := p.Match(args); ok {
					b.Fatal("matched")
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/arg")
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"link, set, <ifname>, up|down", "[-n, <netns>]*, <path:/a,fd>", "<re:a|b\\>>, c*", `\<, <int:-1-5>`, "a=<ip>/<int>"} {
		f.Add(s, "a b c")
	}
	f.Fuzz(func(t *testing.T, pattern, list string) {
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		args := strings.Split(list, " ")
		uses, ok := p.Match(args)
		for _, u := range uses {
			if args[u.Arg][u.Offset] != '/' || u.Dir[0] != '/' {
				t.Fatalf("%q, %q: %v is no path", pattern, args, u)
			}
		}
		if len(args) <= 8 && len(p.prog) <= 12 && ok != p.leads(0, args) {
			t.Fatalf("%q, %q: %v, a search says otherwise", pattern, args, ok)
		}
		// What a pattern's elements are written as is a pattern that says the same.
		again, err := Parse(strings.Join(p.Elements(), ", "))
		if err != nil {
			t.Fatalf("%q from %q: %v", p.Elements(), pattern, err)
		}
		if _, ok2 := again.Match(args); ok2 != ok {
			t.Fatalf("%q: %v; as %q: %v", pattern, ok, p.Elements(), ok2)
		}
	})
}

// leads tries every way from a step, which is slow and plainly right.
func (p *Pattern) leads(pc int, args []string) bool {
	switch s := &p.prog[pc]; s.op {
	case opFork:
		return p.leads(s.next, args) || p.leads(s.other, args)
	case opArgument:
		return len(args) > 0 && s.arg.match(args[0]) && p.leads(pc+1, args[1:])
	}
	return len(args) == 0
}
