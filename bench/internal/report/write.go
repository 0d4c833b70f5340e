package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// The lines between which the table stands in benchmarks.md. All else there is written by people.
const (
	tableBegins = "<!-- The table is written by make bench-peers. -->\n"
	tableEnds   = "<!-- Here it ends. -->\n"
)

// Write puts the run into folder/benchmarks.md and folder/benchmarks.
func (r *Run) Write(folder string) error {
	page := filepath.Join(folder, "benchmarks.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(text, []byte(tableBegins))
	_, after, ended := bytes.Cut(rest, []byte(tableEnds))
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table: %q and %q", page, tableBegins, tableEnds)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(tableBegins)
	b.WriteString("\n")
	r.Table(&b)
	b.WriteString("\n" + tableEnds)
	b.Write(after)
	if err := os.WriteFile(page, b.Bytes(), 0o644); err != nil {
		return err
	}
	folder = filepath.Join(folder, "benchmarks")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	figures, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "benchmarks.json"), append(figures, '\n'), 0o644); err != nil {
		return err
	}
	return errors.Join(r.Draw(folder), r.drawSweeps(folder))
}
