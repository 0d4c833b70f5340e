//go:build linux

// Package example holds what README shows, so that it compiles and does what it says.
package example

import (
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/privhelper/privhelper/docs/example/netpriv"
	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// service is README's ten lines.
func service(ctx context.Context) ([]byte, error) {
	c, err := client.Start(ctx, client.Config{
		Launcher: client.Sudo("/usr/libexec/netservice-helper"),
		Contexts: []*privsep.Context{netpriv.Net},
	})
	if err != nil {
		return nil, err // with what the helper said, and the line to write into sudoers
	}
	defer c.Close()
	_, err = netpriv.SetMTU.Call(ctx, c, netpriv.SetMTUArgs{Link: "eth0", MTU: 9000}) // a typed Go function, as root
	if err != nil {
		return nil, err
	}
	return c.Command("ip", "link", "show").Output() // a command that policy allows
}

// TestReadme: every block of Go in README stands in a file that is compiled.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	var sources []string
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		source, err := os.ReadFile(path)
		sources = append(sources, string(source))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```go\n")[1:]
	if len(blocks) < 3 {
		t.Fatalf("%d blocks of Go", len(blocks))
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		found := false
		for _, source := range sources {
			found = found || strings.Contains(source, block) || strings.Contains(source, indented(block))
		}
		if !found {
			t.Errorf("README shows what no file of docs/example has:\n%s", block)
		}
	}
}

func indented(block string) string {
	var b strings.Builder
	for line := range strings.Lines(block) {
		if line != "\n" {
			b.WriteByte('\t')
		}
		b.WriteString(line)
	}
	return b.String()
}

// TestReadmeRuns does what README shows, in mount and network namespaces of its own: a service of uid 65534 starts the
// helper by sudo, sets the MTU of the loopback interface, which is called eth0 there, and runs ip.
func TestReadmeRuns(t *testing.T) {
	testenv.NeedRoot(t)
	for program, deb := range map[string]string{"sudo": "sudo", "ip": "iproute2", "unshare": "util-linux", "setpriv": "util-linux"} {
		testenv.NeedProgram(t, program, deb)
	}
	dir, err := os.MkdirTemp("/var/lib", "privhelper-readme-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", filepath.Join(dir, "netservice-helper"), "./netservice-helper")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	testenv.Output(t, build)
	child := testenv.Child(t, "service")
	script := exec.Command("unshare", "--mount", "--net", "--propagation", "private", "sh", "-euc", world, "sh", dir, child.Path)
	script.Env = child.Env
	out := string(testenv.Output(t, script))
	if !strings.Contains(out, " eth0: ") || !strings.Contains(out, " mtu 9000 ") {
		t.Errorf("the service printed:\n%s", out)
	}
}

// world makes an /etc and a /usr/libexec for this namespace alone, and runs the service.
const world = `
mkdir "$1/etc" "$1/libexec"
mount -t tmpfs -o mode=0755 none "$1/etc"
cp -a /etc/. "$1/etc/"
mount --bind "$1/etc" /etc
mkdir -p /usr/libexec
cp -a /usr/libexec/. "$1/netservice-helper" "$1/libexec/"
mount --bind "$1/libexec" /usr/libexec
mkdir -p /etc/netservice/rootwrap.d
printf '[DEFAULT]\nfilters_path = /etc/netservice/rootwrap.d\ncapabilities = CAP_NET_ADMIN\n' >/etc/netservice/rootwrap.conf
printf '[Filters]\nip: IpFilter, ip, root\n' >/etc/netservice/rootwrap.d/net.filters
echo 'nobody ALL=(root) NOPASSWD: /usr/libexec/netservice-helper' >/etc/sudoers.d/netservice
ip link set lo name eth0
exec setpriv --reuid=65534 --regid=65534 --clear-groups "$2"
`

func TestMain(m *testing.M) {
	testenv.Main(m, testenv.Children{"service": func([]string) error {
		out, err := service(context.Background())
		os.Stdout.Write(out)
		return err
	}})
}
