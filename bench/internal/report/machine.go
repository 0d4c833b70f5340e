package report

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A Machine is what the figures are of.
type Machine struct {
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Kernel string `json:"kernel"`
	System string `json:"system"`
	Go     string `json:"go"`
	Commit string `json:"commit"`
	Time   string `json:"time"`
}

// ThisMachine describes the machine that this program runs on. What the machine does not tell is empty.
func ThisMachine() Machine {
	read := func(path string) string { b, _ := os.ReadFile(path); return strings.TrimSpace(string(b)) }
	commit, _ := exec.Command("git", "describe", "--always", "--dirty").Output()
	return Machine{CPU: field(read("/proc/cpuinfo"), "model name", ":"), CPUs: runtime.NumCPU(), Kernel: read("/proc/sys/kernel/osrelease"),
		System: strings.Trim(field(read("/etc/os-release"), "PRETTY_NAME", "="), `"`), Go: runtime.Version(),
		Commit: strings.TrimSpace(string(commit)), Time: time.Now().UTC().Format("2006-01-02 15:04")}
}

// field finds "name SEPARATOR value" among lines.
func field(text, name, separator string) string {
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, separator); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func (m Machine) String() string {
	return fmt.Sprintf("%s UTC, commit %s: %d × %s, Linux %s, %s, %s", m.Time, m.Commit, m.CPUs, m.CPU, m.Kernel, m.System, m.Go)
}
