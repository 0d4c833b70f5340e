package lint

import (
	"errors"
	"strings"

	"github.com/privhelper/privhelper/filters"
)

// maxErrors bounds how many errors of one policy are looked for.
const maxErrors = 200

// Parse reads a policy as filters.ParsePolicy does, and goes on after an error: what the error is about is taken out, and
// the rest read again. It returns the policy of what is left, the texts that it was made from, and every error in the
// order in which they were found. The policy is for reading alone: a helper obeys no policy with an error. It is nil where
// an error is about no line of a policy file.
func Parse(cfg filters.Config, files []filters.Source) (*filters.Policy, []filters.Source, []*filters.Error) {
	files = append([]filters.Source(nil), files...)
	var found []*filters.Error
	gone := map[string]bool{} // sections of rules that were taken out
	for range maxErrors {
		p, _, err := filters.ParsePolicy(cfg, files)
		if err == nil {
			return p, files, found
		}
		var e *filters.Error
		if !errors.As(err, &e) {
			return nil, nil, append(found, &filters.Error{File: cfg.File, Msg: err.Error()})
		}
		taken, ok := takeOut(files, e)
		if !gone[e.File+strings.ToLower(taken)] {
			found = append(found, e)
		}
		if !ok {
			return nil, nil, found
		}
		name := taken[:max(0, strings.IndexAny(taken, "=:"))]
		gone[e.File+"["+strings.ToLower(strings.TrimSpace(name))+"]"] = true
	}
	return nil, nil, found
}

// takeOut makes a comment of the line of an error and of what belongs to it, so that all others keep their numbers. It
// returns the line.
func takeOut(files []filters.Source, e *filters.Error) (taken string, ok bool) {
	for i, f := range files {
		lines := strings.Split(string(f.Text), "\n")
		if f.File != e.File || e.Line == 0 || e.Line > len(lines) || strings.HasPrefix(lines[e.Line-1], "#") {
			continue
		}
		section := strings.HasPrefix(lines[e.Line-1], "[")
		taken = strings.TrimSpace(lines[e.Line-1])
		if taken == "[Filters]" {
			return taken, false
		}
		lines[e.Line-1] = "#" + lines[e.Line-1]
		for n := e.Line; n < len(lines); n++ {
			deeper := strings.HasPrefix(lines[n], " ") || strings.HasPrefix(lines[n], "\t")
			if !deeper && (!section || strings.HasPrefix(lines[n], "[")) {
				break
			}
			lines[n] = "#" + lines[n]
		}
		files[i].Text = []byte(strings.Join(lines, "\n"))
		return taken, true
	}
	return "", false
}
