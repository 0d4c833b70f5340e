package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
)

// takeSnapshot loads a configuration with its policy, and gives the text of all that was read, so that the workers of a
// service judge by the same text until the next reload, whatever is written to the files meanwhile. Who may have written
// them is judged here, once.
func takeSnapshot(config string) (*host.Loaded, []byte, error) {
	loaded, err := host.Load(config, host.Options{})
	if err != nil {
		return nil, nil, err
	}
	var snapshot []byte
	for _, name := range loaded.Files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, nil, err
		}
		snapshot = appendPart(appendPart(snapshot, []byte(name)), text)
	}
	// Read a second time, after they were judged: what has another hash is not what was judged.
	again, err := parseSnapshot(snapshot)
	if err != nil {
		return nil, nil, err
	}
	if again.Policy.Hash() != loaded.Policy.Hash() {
		return nil, nil, fmt.Errorf("%s: it or its policy was written to while it was read: try again", config)
	}
	return loaded, snapshot, nil
}

// loadSnapshot is host.Load of a snapshot.
func loadSnapshot(file *os.File) (*host.Loaded, error) {
	if file == nil {
		return nil, errors.New("the service handed no policy to its worker")
	}
	// ReadAt: every worker has the same open file, and no offset of its own.
	snapshot, err := io.ReadAll(io.NewSectionReader(file, 0, 1<<40))
	if err != nil {
		return nil, err
	}
	return parseSnapshot(snapshot)
}

func parseSnapshot(snapshot []byte) (*host.Loaded, error) {
	var files []filters.Source
	for len(snapshot) > 0 {
		name, rest, err := nextPart(snapshot)
		if err != nil {
			return nil, err
		}
		text, rest, err := nextPart(rest)
		if err != nil {
			return nil, err
		}
		files, snapshot = append(files, filters.Source{File: string(name), Text: text}), rest
	}
	if len(files) == 0 {
		return nil, errBadSnapshot
	}
	cfg, _, err := filters.ParseConfig(files[0].File, files[0].Text, false) // what is not known was refused when it was taken
	if err != nil {
		return nil, err
	}
	policy, _, err := filters.ParsePolicy(cfg, files[1:])
	if err != nil {
		return nil, err
	}
	return host.New(cfg, policy, host.Options{})
}

var errBadSnapshot = errors.New("the snapshot of the policy is cut off")

func appendPart(to, part []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(part))), part...)
}

func nextPart(from []byte) (part, rest []byte, err error) {
	size, n := binary.Uvarint(from)
	if n <= 0 || size > uint64(len(from)-n) {
		return nil, nil, errBadSnapshot
	}
	return from[n : n+int(size)], from[n+int(size):], nil
}
