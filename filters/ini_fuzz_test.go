package filters

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"reflect"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// python answers each line of JSON, a text and whether names are unique, with what its configparser makes of it.
const python = `
import base64, configparser, io, json, sys
for line in sys.stdin:
    text, unique = json.loads(line)
    parser = configparser.RawConfigParser(strict=unique)
    try:
        parser.read_file(io.TextIOWrapper(io.BytesIO(base64.b64decode(text or "")), encoding="utf-8"))
        answer = [list(parser._defaults.items()), [[name, list(items.items())] for name, items in parser._sections.items()]]
    except (configparser.Error, UnicodeError):
        answer = None
    print(json.dumps(answer), flush=True)
`

// FuzzINI: a text means what it means to Python's configparser, which reads rootwrap's files, or is an error to both.
func FuzzINI(f *testing.F) {
	cmd := exec.Command(testenv.NeedProgram(f, "python3", "python3"), "-c", python)
	in, err := cmd.StdinPipe()
	if err != nil {
		f.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		f.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		in.Close()
		_ = cmd.Wait()
	})
	ask, answers := json.NewEncoder(in), bufio.NewReader(out)
	for _, text := range []string{
		"[DEFAULT]\na=1\n[Filters]\nip: IpFilter, ip, root\nB = x\n  y\n\n  z\n\n# c\n;d\n", "[a]\nx=1\n[a]\nx=2\n", "a=1\n", "[a]\nx\n", "[]\na=b\n", "[a]]\rx:=\r\n y\n",
		"[a]\nÄ=1\nİ = 2\n\u00a0b=3\n", "[a]\n =1\n", "\ufeff[a]\n", "[a]\nx=1\n \x1c y\n", "[a] b\nx=1\n", "[a]\nx=\n  #c\n  d\n",
	} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, unique bool) {
		if len(text) > 4<<10 {
			t.Skip("Python's takes the square of a line's length")
		}
		if err := ask.Encode([]any{text, unique}); err != nil {
			t.Fatal(err)
		}
		line, err := answers.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var its, ours any
		if err := json.Unmarshal(line, &its); err != nil {
			t.Fatal(err)
		}
		d, derr := parseINI("f", text, unique)
		if derr == nil {
			sections := []any{}
			for _, s := range d.sections {
				sections = append(sections, []any{s.name, pairs(s.items)})
			}
			ours = []any{pairs(d.defaults.items), sections}
		}
		if !reflect.DeepEqual(ours, its) {
			t.Errorf("%q, unique %t: %v (%v), to Python %v", text, unique, ours, derr, its)
		}
	})
}

func pairs(items []item) []any {
	all := []any{}
	for _, it := range items {
		all = append(all, []any{it.name, it.value})
	}
	return all
}
