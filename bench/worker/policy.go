package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/privhelper/privhelper/bench/internal/policies"
	"github.com/privhelper/privhelper/bench/internal/turn"
	"github.com/privhelper/privhelper/filters"
)

// batch is how many decisions are measured at once: reading the clock takes as long as a fifth of one.
const batch = 200

// machine says of every executable that it is there: what a decision costs without what the kernel does for it.
type machine struct{ filters.Machine }

// Executable is filters.Machine's.
func (machine) Executable(path string, _ bool) (string, error) { return path, nil }

// decide RULES literal|pattern|refused: one decision.
func decide(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	p, _, err := filters.ParsePolicy(policies.Config, policies.Mixed(n))
	if err != nil {
		return nil, err
	}
	argv, want := policies.Request(n, args[1])
	r := filters.Request{Argv: argv}
	return turn.Batch(batch, func() error {
		v := p.Decide(machine{}, r)
		if v.Outcome != want {
			return fmt.Errorf("%v is %v", argv, v.Outcome)
		}
		return nil
	}), nil
}

// lookUp RULES: a name in a map of so many, the least that a decision can be.
func lookUp(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	rules := map[string]int{}
	for i := range n {
		rules["cmd"+strconv.Itoa(i)] = i
	}
	name := "cmd" + strconv.Itoa(n-1)
	return turn.Batch(batch, func() error {
		if rules[name] != n-1 {
			return fmt.Errorf("no %s", name)
		}
		return nil
	}), nil
}

// load RULES: parsing them.
func load(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	text := policies.Mixed(n)
	return turn.Timed(func() error {
		_, _, err := filters.ParsePolicy(policies.Config, text)
		return err
	}), nil
}

// lines RULES: reading them into a map by name, the least that loading can be.
func lines(args []string) (turn.Op, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, err
	}
	text := string(policies.Mixed(n)[0].Text)
	return turn.Timed(func() error {
		rules := map[string][]string{}
		for line := range strings.Lines(text) {
			if name, rule, found := strings.Cut(line, ":"); found {
				rules[name] = strings.Split(rule, ",")
			}
		}
		if len(rules) != n {
			return fmt.Errorf("%d rules", len(rules))
		}
		return nil
	}), nil
}
