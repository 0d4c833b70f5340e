// Command bench measures privhelper against the physical limits and, with -peers, against what people use today, turn by
// turn in one run, and writes what it found: JSON, the table of docs/benchmarks.md, plots. It runs as root, on Linux, with gcc;
// the peers are Debian's packages (see peers/README.md).
//
//	bench [-rows 1,3,scale] [-peers] [-most 5m] [-out FOLDER]
//
// It ends with 0 where everything could be measured, whether the targets are met or not.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/privhelper/privhelper/bench/internal/lab"
	"github.com/privhelper/privhelper/bench/internal/rows"
)

func main() {
	only := flag.String("rows", "", "the rows to measure, by number, and scale, separated by commas; empty: all")
	peers := flag.Bool("peers", false, "measure the peers too")
	tree := flag.String("tree", "..", "the project's source")
	out := flag.String("out", "", "the folder of benchmarks.md, which gets the table, and of benchmarks/ with JSON and plots; empty: nothing is written")
	most := flag.Duration("most", 0, "begin nothing more after so long; 0: no bound")
	flag.Parse()
	if err := bench(*only, *peers, *most, *tree, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(only string, peers bool, most time.Duration, tree, out string) error {
	wanted := strings.FieldsFunc(only, func(r rune) bool { return r == ',' })
	tree, err := filepath.Abs(tree)
	if err != nil {
		return err
	}
	l, err := lab.New(tree, peers)
	if err != nil {
		return err
	}
	defer l.Close()
	run, err := rows.Measure(l, wanted, peers, most, os.Stdout)
	if err != nil {
		run.Missing = append(run.Missing, err.Error()+", and what comes after it")
	}
	if out != "" {
		err = errors.Join(err, run.Write(out))
	}
	return err
}
