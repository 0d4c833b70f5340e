package etcdlock_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// TestMain makes the test binary a root helper too, told from the tests by its first argument: a launcher gives its helper
// no environment.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "helper" {
		fencedHelper(os.Args[2])
	}
	testenv.Main(m, testenv.Children{"hold": holdChild, "late": lateChild, "contend": contendChild})
}

// member is one etcd server.
type member struct {
	name    string
	address string // host:port for clients
	args    []string
	cmd     *exec.Cmd
	log     *bytes.Buffer
}

// cluster is servers that know each other, ended with the test.
type cluster struct {
	t       testing.TB
	members []*member
}

// site is where a member is: its addresses, and the command that brings a program there; on loopback, none.
type site struct {
	client, peer string // host:port
	via          []string
	clients      string // the host that its clients are on, where that is another
}

func startCluster(t testing.TB, size int, extra ...string) *cluster {
	t.Helper()
	var sites []site
	for range size {
		sites = append(sites, site{client: freeAddress(t), peer: freeAddress(t)})
	}
	return startClusterAt(t, sites, extra...)
}

func startClusterAt(t testing.TB, sites []site, extra ...string) *cluster {
	t.Helper()
	server := testenv.NeedProgram(t, "etcd", "etcd-server")
	scheme := "http"
	if len(extra) > 0 {
		scheme = "https"
	}
	c := &cluster{t: t}
	var initial []string
	for i, s := range sites {
		initial = append(initial, fmt.Sprintf("m%d=http://%s", i, s.peer))
	}
	for i, s := range sites {
		m := &member{name: fmt.Sprintf("m%d", i), address: s.client}
		m.args = slices.Concat(s.via, []string{
			server, "--name", m.name, "--data-dir", filepath.Join(t.TempDir(), m.name),
			"--listen-client-urls", scheme + "://" + s.client, "--advertise-client-urls", scheme + "://" + s.client,
			"--listen-peer-urls", "http://" + s.peer, "--initial-advertise-peer-urls", "http://" + s.peer,
			"--initial-cluster", strings.Join(initial, ","), "--log-level", "error",
		}, extra)
		c.members = append(c.members, m)
		c.start(m)
	}
	return c
}

// start starts a member, again if it was killed: its data is still there.
func (c *cluster) start(m *member) {
	c.t.Helper()
	m.log = &bytes.Buffer{}
	m.cmd = exec.Command(m.args[0], m.args[1:]...)
	m.cmd.Stdout, m.cmd.Stderr = m.log, m.log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	cmd := m.cmd
	c.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if c.t.Failed() && m.log.Len() > 0 {
			c.t.Logf("%s: %s", m.name, m.log.Bytes()[:min(m.log.Len(), 2000)])
		}
	})
}

func (c *cluster) signal(m *member, s syscall.Signal) {
	c.t.Helper()
	if err := m.cmd.Process.Signal(s); err != nil {
		c.t.Errorf("signal %s: %v", m.name, err)
	}
}

func (c *cluster) endpoints() []string {
	var all []string
	for _, m := range c.members {
		all = append(all, m.address)
	}
	return all
}

// url is the cluster's, with a prefix and options behind it.
func (c *cluster) url(rest string) string {
	return "etcd://" + strings.Join(c.endpoints(), ",") + rest
}

// client is an etcd client beside the one that is tested.
func (c *cluster) client() *clientv3.Client {
	c.t.Helper()
	return c.clientThrough()
}

// clientThrough is one whose single calls go through interceptors.
func (c *cluster) clientThrough(through ...grpc.UnaryClientInterceptor) *clientv3.Client {
	c.t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: c.endpoints(), Logger: zap.NewNop(), DialTimeout: 2 * time.Second,
		DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(through...)},
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { client.Close() })
	return client
}

// leader finds who leads.
func (c *cluster) leader() *member {
	c.t.Helper()
	client := c.client()
	defer client.Close()
	for late := time.Now().Add(time.Minute); time.Now().Before(late); {
		for _, m := range c.members {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			status, err := client.Status(ctx, m.address)
			cancel()
			if err == nil && status.Leader == status.Header.MemberId {
				return m
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	c.t.Fatal("no member leads")
	return nil
}

// open opens a Locker, whose first question waits for the cluster to be up.
func (c *cluster) open(rest string) *etcdlock.Locker {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		try, cancelTry := context.WithTimeout(ctx, 5*time.Second)
		l, err := etcdlock.Open(try, c.url(rest), etcdlock.Options{})
		cancelTry()
		if err == nil {
			c.t.Cleanup(func() { l.Close() })
			return l
		}
		if ctx.Err() != nil {
			c.t.Fatal(err)
		}
	}
}

func index(c *cluster, m *member) int {
	for i := range c.members {
		if c.members[i] == m {
			return i
		}
	}
	panic("not a member")
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// holdChild takes a lock and says its token, then obeys: at each line of input it says whether the lock is lost.
func holdChild(args []string) error {
	l, err := etcdlock.Open(context.Background(), args[0], etcdlock.Options{})
	if err != nil {
		return err
	}
	held, err := l.Lock(context.Background(), args[1])
	if err != nil {
		return err
	}
	return obey(held, func() string { return "" })
}

// obey says the token of a lock, and at each line of input whether it is lost, and what came of doing then.
func obey(held *lockutils.Held, then func() string) error {
	fmt.Println(held.Token())
	var word string
	for {
		if _, err := fmt.Scanln(&word); err != nil {
			return nil
		}
		state := "held"
		select {
		case <-held.Lost():
			state = "lost"
		default:
		}
		fmt.Println(state + then())
	}
}

// etcdctl runs etcdctl against the cluster.
func (c *cluster) etcdctl(args ...string) *exec.Cmd {
	c.t.Helper()
	cmd := exec.Command(testenv.NeedProgram(c.t, "etcdctl", "etcd-client"), args...)
	cmd.Env = append(os.Environ(), "ETCDCTL_API=3", "ETCDCTL_ENDPOINTS="+strings.Join(c.endpoints(), ","))
	return cmd
}
