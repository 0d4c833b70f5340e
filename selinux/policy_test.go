//go:build selinux

// Package selinux_test compiles the module, links it with all of Debian's policy and searches what comes out, with Debian's
// tools: `make test-policy`. No kernel loads it.
package selinux_test

import (
	"compress/bzip2"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/internal/testenv"
)

// compile makes privhelper.pp in a copy of this folder.
func compile(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/usr/share/selinux/devel/Makefile"); err != nil {
		testenv.Miss(t, "needs selinux-policy-dev")
	}
	dir := t.TempDir()
	for _, name := range []string{"Makefile", "privhelper.te", "privhelper.fc", "privhelper.if"} {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("make", "-C", dir, "privhelper.pp").CombinedOutput()
	if err != nil || strings.Contains(strings.ToLower(string(out)), "warning") {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "privhelper.pp")
}

// debian unpacks a module of Debian's policy.
func debian(t *testing.T, dir, name string) string {
	t.Helper()
	in, err := os.Open(name)
	if err != nil {
		testenv.Miss(t, "needs selinux-policy-default: "+err.Error())
	}
	defer in.Close()
	path := filepath.Join(dir, strings.TrimSuffix(filepath.Base(name), ".bz2"))
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(out, bzip2.NewReader(in)); err != nil {
		t.Fatal(err)
	}
	return path
}

const store = "/usr/share/selinux/default/"

// link makes one policy of modules, the base first. Expanding it, the kernel's form of it, checks every neverallow rule.
func link(t *testing.T, modules ...string) (policy string, err error) {
	t.Helper()
	dir := t.TempDir()
	linked, policy := filepath.Join(dir, "linked"), filepath.Join(dir, "policy")
	testenv.Output(t, exec.Command(testenv.NeedProgram(t, "semodule_link", "semodule-utils"), append([]string{"-o", linked}, modules...)...))
	out, err := exec.Command("semodule_expand", linked, policy).CombinedOutput()
	return policy + string(out), err
}

// TestPolicy: what the whole policy of a Debian machine with the module says.
func TestPolicy(t *testing.T) {
	ours := compile(t)
	dir := t.TempDir()
	modules := []string{debian(t, dir, store+"base.pp.bz2")}
	names, err := filepath.Glob(store + "*.pp.bz2")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if filepath.Base(name) != "base.pp.bz2" {
			modules = append(modules, debian(t, dir, name))
		}
	}
	policy, err := link(t, append(modules, ours)...)
	if err != nil {
		t.Fatalf("%s: %v", policy, err)
	}
	sesearch := testenv.NeedProgram(t, "sesearch", "setools")
	search := func(query string) []string {
		out := testenv.Output(t, exec.Command(sesearch, append(strings.Fields(query), policy)...))
		return slices.Sorted(strings.Lines(string(out)))
	}

	for _, query := range []string{
		"-A -s init_t -t privhelper_t -c process -p transition",
		"-T -s init_t -t privhelper_exec_t -c process",
		"-A -s privhelper_t -t privhelper_command_t -c process -p transition",
		"-T -s privhelper_t -t bin_t -c process",
		"-T -s privhelper_t -t mount_exec_t -c process",
		"-A -s privhelper_t -t privhelper_conf_t -c file -p read",
		"-A -s privhelper_t -t privhelper_log_t -c file -p append",
		"-A -s privhelper_t -t privhelper_lock_t -c file -p lock",
		"-A -s privhelper_t -t sysfs_t -c file -p read",
		"-A -s privhelper_t -t sysctl_net_t -c file -p read",
		"-A -s unconfined_t -t privhelper_t -c unix_stream_socket -p connectto",
		"-A -s privhelper_command_t -t unconfined_t -c fd -p use",
	} {
		if len(search(query)) == 0 {
			t.Errorf("nothing: sesearch %s", query)
		}
	}
	const both = "-A -rs -s ^privhelper_(command_)?t$ "
	for _, query := range []string{
		both + "-t shadow_t -c file",
		both + "-rt -t ^privhelper_(conf|exec|unit)_t$ -c file -p write,append,create,unlink,rename,setattr,relabelto",
		"-A -s privhelper_command_t -t privhelper_log_t -c file",
		"-A -s privhelper_t -t privhelper_log_t -c file -p write,unlink",
		"-A -s privhelper_t -c tcp_socket -p create,connect,bind,listen",
		"-A -s privhelper_t -c udp_socket -p create",
		both + "-t init_t -c process -p ptrace,transition,dyntransition",
		"-A -s privhelper_command_t -c process -p ptrace,transition,dyntransition",
		"-A -s privhelper_command_t -c capability -p sys_ptrace,sys_module,sys_rawio,sys_boot,setpcap",
		"-A -s privhelper_t -c capability -p sys_module,sys_rawio,sys_boot,net_admin,net_raw,mknod",
		both + "-c security -p load_policy,setenforce",
	} {
		if found := search(query); len(found) > 0 {
			t.Errorf("sesearch %s:\n%s", query, strings.Join(found, ""))
		}
	}
	if got := search("-A -s privhelper_command_t -c tcp_socket -p create"); len(got) != 1 || !strings.Contains(got[0], "privhelper_commands_network ]:True") {
		t.Errorf("TCP sockets of commands hang on their boolean alone, not %q", got)
	}
	out := testenv.Output(t, exec.Command("seinfo", "--bool", "privhelper_commands_network", "-x", policy))
	if !strings.Contains(string(out), "bool privhelper_commands_network false;") {
		t.Errorf("seinfo: %s", out)
	}

	// Transitions under no_new_privs: those that docs/selinux.md states, and no others.
	var under []string
	for _, query := range []string{both + "-c process2", "-A -rt -t ^privhelper_(command_)?t$ -c process2"} {
		for _, line := range search(query) {
			rule, perms, _ := strings.Cut(strings.TrimPrefix(line, "allow "), ":process2 ")
			if strings.Contains(perms, "nnp_transition") {
				under = append(under, strings.Replace(rule, " ", " to ", 1))
			}
		}
	}
	slices.Sort(under)
	if got := strings.Join(slices.Compact(under), ", "); got != "init_t to privhelper_t, privhelper_t to privhelper_command_t" {
		t.Errorf("nnp_transition: %s", got)
	}
}

// TestNever: each of these lines, in a module of somebody's beside ours, is refused when the policy is made.
func TestNever(t *testing.T) {
	base, ours := debian(t, t.TempDir(), store+"base.pp.bz2"), compile(t)
	if out, err := link(t, base, ours); err != nil {
		t.Fatalf("without any of them: %s", out)
	}
	for _, rule := range []string{
		"allow privhelper_t shadow_t:file { open read };",
		"allow privhelper_command_t shadow_t:file read;",
		"allow privhelper_t privhelper_conf_t:file write;",
		"allow privhelper_t privhelper_conf_t:dir add_name;",
		"allow privhelper_command_t privhelper_exec_t:file { open write };",
		"allow privhelper_t privhelper_log_t:file write;",
		"allow privhelper_command_t privhelper_log_t:file append;",
		"allow privhelper_t self:tcp_socket create;",
		"allow privhelper_t init_t:process ptrace;",
		"allow privhelper_command_t privhelper_t:process ptrace;",
		"allow privhelper_command_t init_t:process transition;",
		"allow privhelper_t init_t:process dyntransition;",
		"allow privhelper_t bin_t:file execute_no_trans;",
		"allow privhelper_t bin_t:file entrypoint;",
		"allow privhelper_command_t security_t:security setenforce;",
	} {
		dir := t.TempDir()
		source, module, pack := filepath.Join(dir, "other.te"), filepath.Join(dir, "other.mod"), filepath.Join(dir, "other.pp")
		text := `module other 1.0;
require {
	type privhelper_t, privhelper_command_t, privhelper_conf_t, privhelper_exec_t, privhelper_log_t;
	type bin_t, init_t, security_t, shadow_t;
	class file { append entrypoint execute_no_trans open read write };
	class dir add_name;
	class tcp_socket create;
	class process { dyntransition ptrace transition };
	class security setenforce;
}
` + rule + "\n"
		if err := os.WriteFile(source, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		testenv.Output(t, exec.Command(testenv.NeedProgram(t, "checkmodule", "checkpolicy"), "-M", "-m", "-o", module, source))
		testenv.Output(t, exec.Command("semodule_package", "-o", pack, "-m", module))
		if out, err := link(t, base, ours, pack); err == nil || !strings.Contains(out, "neverallow violated") {
			t.Errorf("%s is not refused: %v, %s", rule, err, out)
		}
	}
}
