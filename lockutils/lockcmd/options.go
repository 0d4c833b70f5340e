package lockcmd

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/privhelper/privhelper/lockutils"
)

// parse reads the command line. Whatever follows -- is the command's, untouched.
func parse(args []string) (options, error) {
	var o options
	words := args
	for len(words) > 0 && strings.HasPrefix(words[0], "-") && words[0] != "--" {
		name, value, hasValue := strings.Cut(words[0], "=")
		words = words[1:]
		if takesValue(name) {
			if !hasValue {
				if len(words) == 0 {
					return o, fmt.Errorf("%s needs a value", name)
				}
				value, words = words[0], words[1:]
			}
		} else if hasValue {
			return o, fmt.Errorf("%s takes no value", name)
		}
		if err := o.set(name, value); err != nil {
			return o, err
		}
	}
	if !o.wrapper {
		if len(words) == 0 || words[0] == "--" {
			return o, errors.New("no name of a lock")
		}
		o.name, words = words[0], words[1:]
	} else if o.shared || o.fair || o.once || o.timeout > 0 || o.folder+o.prefix != "" || o.names != lockutils.Exact {
		return o, errors.New("--wrapper takes no other option")
	}
	if len(words) == 0 || words[0] != "--" {
		return o, errors.New("no -- before the command")
	}
	if o.command = words[1:]; len(o.command) == 0 {
		return o, errors.New("no command")
	}
	return o, nil
}

func takesValue(name string) bool {
	return name == "--timeout" || name == "--folder" || name == "--prefix"
}

func (o *options) set(name, value string) error {
	switch name {
	case "--shared":
		o.shared = true
	case "--fair":
		o.fair = true
	case "--wrapper":
		o.wrapper = true
	case "--oslo":
		o.names = lockutils.Oslo
	case "--folder":
		o.folder = value
	case "--prefix":
		o.prefix = value
	case "--timeout":
		d, err := duration(value)
		if err != nil {
			return err
		}
		o.timeout, o.once = d, d == 0
	default:
		return fmt.Errorf("no option %s", name)
	}
	return nil
}

// duration reads Go's way of writing one, or a number of seconds, as timeout(1) and flock(1) take.
func duration(text string) (time.Duration, error) {
	unit := ""
	if strings.Trim(text, "0123456789.") == "" {
		unit = "s"
	}
	d, err := time.ParseDuration(text + unit)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("--timeout %s is no time: write 10s, 500ms, or seconds", text)
	}
	return d, nil
}
