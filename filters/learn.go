package filters

import (
	"fmt"
	"slices"
)

// learningLast returns files with LearnFile as the last, whatever its name: neither its rules nor their order, of which an
// EnvFilter changes what later rules see, may change what the rest of the policy says.
func (c *Config) learningLast(files []Source) (ordered []Source, learning bool, err error) {
	if c.LearnFile == "" {
		return files, false, nil
	}
	i := slices.IndexFunc(files, func(f Source) bool { return f.File == c.LearnFile })
	if i < 0 {
		return nil, false, &Error{File: c.File, Line: c.Lines["learn_file"], Value: true,
			Msg: fmt.Sprintf("learn_file: %s is none of the policy files that were read from filters_path", c.LearnFile)}
	}
	return slices.Concat(files[:i], files[i+1:], files[i:i+1]), true, nil
}

// learn asks the rules of the learning file too, when all others have refused. Where these refuse as well, or there are
// none, v stays. What may not run is given back before anybody can see it.
func (q *query) learn(args, bare []string, v *Verdict) {
	if q.policy.learnFile == "" {
		return
	}
	var w Verdict
	q.learning = true
	q.either(args, bare, &w)
	if w.Outcome != Match {
		return
	}
	w.Learned = true
	if *v = w; !q.policy.learnAllow {
		_ = w.Close()
		reason := fmt.Sprintf("nothing but the learning file %s allows it, and learn = refuse", q.policy.learnFile)
		*v = Verdict{Learned: true, Near: []Near{{Rule: w.Rule, Reason: reason, Told: "it is being learned"}}}
	}
}
