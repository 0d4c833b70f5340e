package filters

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// An item is one option of a section: name = value.
type item struct {
	name  string // in lower case
	value string
	line  int
}

// A section holds its items in the order of their first appearance.
type section struct {
	name  string
	line  int
	items []item
	at    map[string]int
}

// set stores an item. The last of duplicates counts, in the place of the first.
func (s *section) set(it item) *item {
	if i, ok := s.at[it.name]; ok {
		s.items[i] = it
		return &s.items[i]
	}
	s.at[it.name] = len(s.items)
	s.items = append(s.items, it)
	return &s.items[len(s.items)-1]
}

// get returns the item of a name.
func (s *section) get(name string) (item, bool) {
	i, ok := s.at[name]
	if !ok {
		return item{}, false
	}
	return s.items[i], true
}

// A document is a parsed file.
type document struct {
	defaults section // [DEFAULT]
	sections []*section
	byName   map[string]*section
}

// parseINI reads text to the letter of Python's RawConfigParser: comments on lines of their own, = or : after the name,
// names in lower case, deeper lines continue a value, no quoting, no interpolation. unique refuses a section or an
// option that comes twice, as rootwrap's own configuration does and its policy files do not.
func parseINI(file string, text []byte, unique bool) (*document, error) {
	if !utf8.Valid(text) {
		return nil, invalidUTF8(file, text)
	}
	p := &iniParser{file: file, unique: unique, doc: &document{byName: make(map[string]*section)}}
	p.doc.defaults = section{name: "DEFAULT", at: make(map[string]int)}
	rest := string(text)
	p.hint = strings.Count(rest, "\n") + 1
	for rest != "" {
		p.line++
		if err := p.read(cutLine(&rest)); err != nil {
			return nil, err
		}
	}
	p.finish()
	return p.doc, p.failed
}

// cutLine takes the first line off rest. Python's text files end lines with \n, \r\n and \r.
func cutLine(rest *string) string {
	s := *rest
	i := strings.IndexByte(s, '\n')
	if i < 0 {
		i = len(s)
	}
	if j := strings.IndexByte(s[:i], '\r'); j >= 0 {
		*rest = s[j+1:]
		if j+1 < len(s) && s[j+1] == '\n' {
			*rest = s[j+2:]
		}
		return s[:j]
	}
	if i == len(s) {
		*rest = ""
	} else {
		*rest = s[i+1:]
	}
	return s[:i]
}

func invalidUTF8(file string, text []byte) error {
	line := 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		if r == utf8.RuneError && n == 1 {
			break
		}
		if r == '\n' {
			line++
		}
		text = text[n:]
	}
	return &Error{File: file, Line: line, Msg: "is not UTF-8", Value: true}
}

type iniParser struct {
	file    string
	unique  bool
	line    int
	doc     *document
	current *section
	option  *item // what a deeper line continues
	indent  int
	hint    int   // at most so many items
	failed  error // the first line that is none of ours; parsing goes on, a missing header is found first
}

func (p *iniParser) read(line string) error {
	value := strip(line)
	if value == "" {
		if p.option != nil {
			p.option.value += "\n" // an empty line in a value belongs to it if another line follows
		}
		return nil
	}
	if value[0] == '#' || value[0] == ';' {
		return nil
	}
	indent := indentOf(line)
	if p.option != nil && indent > p.indent {
		p.option.value += "\n" + value
		return nil
	}
	p.finish()
	p.indent = indent
	if value[0] == '[' {
		if end := strings.LastIndexByte(value, ']'); end > 1 {
			return p.header(value[1:end])
		}
	}
	if p.current == nil {
		return &Error{File: p.file, Line: p.line, Msg: "no [section] stands above this line"}
	}
	return p.assign(value)
}

// indentOf counts the characters of white space a line begins with.
func indentOf(line string) int {
	n := 0
	for _, r := range line {
		if !pySpace(r) {
			break
		}
		n++
	}
	return n
}

// finish ends the value that is being read: empty lines after it do not belong to it.
func (p *iniParser) finish() {
	if p.option != nil {
		p.option.value = strings.TrimRightFunc(p.option.value, pySpace)
		p.option = nil
	}
}

func (p *iniParser) header(name string) error {
	if name == p.doc.defaults.name {
		p.current = &p.doc.defaults
		return nil
	}
	if s := p.doc.byName[name]; s != nil {
		if p.unique {
			return &Error{File: p.file, Line: p.line, Msg: fmt.Sprintf("section [%s] stands here again", name)}
		}
		p.current = s
		return nil
	}
	p.current = &section{name: name, line: p.line, at: make(map[string]int)}
	if name == filtersSection {
		p.current.at = make(map[string]int, p.hint)
		p.current.items = make([]item, 0, p.hint)
	}
	p.doc.sections = append(p.doc.sections, p.current)
	p.doc.byName[name] = p.current
	return nil
}

func (p *iniParser) assign(value string) error {
	i := strings.IndexAny(value, "=:")
	if i <= 0 {
		if p.failed == nil {
			p.failed = &Error{File: p.file, Line: p.line, Msg: fmt.Sprintf("%q is neither a section nor name = value", value)}
		}
		return nil
	}
	it := item{name: lower(strip(value[:i])), value: strip(value[i+1:]), line: p.line}
	if p.unique {
		if _, ok := p.current.at[it.name]; ok {
			return &Error{File: p.file, Line: p.line, Msg: fmt.Sprintf("option %q stands here again", it.name)}
		}
	}
	p.option = p.current.set(it)
	return nil
}
