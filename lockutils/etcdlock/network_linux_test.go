package etcdlock_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// apartVariable is set in the process that a test runs itself in, in a network of its own.
const apartVariable = "PRIVHELPER_TEST_APART"

// apart runs the test again, in a process with a network of its own, and returns false; in that process it returns true.
// Who is not root has a user namespace with it.
func apart(t *testing.T) bool {
	t.Helper()
	if os.Getenv(apartVariable) != "" {
		return true
	}
	testenv.NeedProgram(t, "ip", "iproute2")
	testenv.NeedProgram(t, "nsenter", "util-linux")
	again := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
	if deadline, ok := t.Deadline(); ok {
		again.Args = append(again.Args, fmt.Sprintf("-test.timeout=%v", time.Until(deadline)-time.Second))
	}
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") {
			again.Args = append(again.Args, fmt.Sprintf("-%s=%v", f.Name, f.Value))
		}
	})
	again.Env = append(os.Environ(), apartVariable+"=1")
	if os.Geteuid() != 0 {
		testenv.InUserNamespace(t, again)
	} else {
		again.SysProcAttr = &syscall.SysProcAttr{}
	}
	again.SysProcAttr.Cloneflags |= syscall.CLONE_NEWNET
	again.SysProcAttr.Pdeathsig = syscall.SIGKILL
	out, err := again.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// network is a machine for each member, which are network namespaces, and two bridges between them: one for the members
// among themselves, and one to their clients, who are where the test is.
type network struct {
	t     *testing.T
	name  string // before the names of its links, since a process may have several networks
	sites []site
}

func startNetwork(t *testing.T, number, size int) *network {
	n := &network{t: t, name: fmt.Sprintf("n%d", number)}
	n.ip("link set lo up")
	n.ip("link add %speers type bridge", n.name)
	n.ip("link set %speers up", n.name)
	n.ip("link add %sclients type bridge", n.name)
	n.ip("addr add %s/24 dev %sclients", clientsAt(number), n.name)
	n.ip("link set %sclients up", n.name)
	for i := range size {
		namespace := exec.Command("sleep", "infinity")
		namespace.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := namespace.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { namespace.Process.Kill(); namespace.Wait() })
		s := site{
			via:     []string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", namespace.Process.Pid)},
			clients: clientsAt(number), client: fmt.Sprintf("10.%d.1.%d:2379", number, i+1), peer: fmt.Sprintf("10.%d.2.%d:2380", number, i+1),
		}
		n.sites = append(n.sites, s)
		for bridge, address := range map[string]string{"clients": s.client, "peers": s.peer} {
			host, _, _ := strings.Cut(address, ":")
			n.ip("link add %s%s%d type veth peer name %s netns %d", n.name, bridge, i, bridge, namespace.Process.Pid)
			n.ip("link set %s%s%d master %[1]s%s up", n.name, bridge, i, bridge)
			n.at(i, "addr add %s/24 dev %s", host, bridge)
			n.at(i, "link set %s up", bridge)
		}
		n.at(i, "link set lo up")
	}
	return n
}

// clientsAt is where the clients of a network are.
func clientsAt(number int) string { return fmt.Sprintf("10.%d.1.254", number) }

// ip runs ip(8) where the clients are, and at where a member is.
func (n *network) ip(format string, args ...any) {
	n.t.Helper()
	n.run(nil, format, args...)
}

func (n *network) at(member int, format string, args ...any) {
	n.t.Helper()
	n.run(n.sites[member].via, format, args...)
}

func (n *network) run(via []string, format string, args ...any) {
	n.t.Helper()
	argv := slices.Concat(via, []string{"ip"}, strings.Fields(fmt.Sprintf(format, args...)))
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

// set cuts members off from a bridge, or connects them again. What is on its way is lost without an error, as on a wire.
func (n *network) set(bridge, state string, members ...int) {
	n.t.Helper()
	for _, i := range members {
		n.ip("link set %s%s%d %s", n.name, bridge, i, state)
	}
}

// part cuts members off from each other, and from nobody else: a bridge passes nothing between ports that are isolated.
func (n *network) part(members ...int) { n.isolate("on", members) }

// join undoes it.
func (n *network) join(members ...int) { n.isolate("off", members) }

func (n *network) isolate(state string, members []int) {
	n.t.Helper()
	for _, i := range members {
		n.ip("link set %speers%d type bridge_slave isolated %s", n.name, i, state)
	}
}

// mute lets members hear their clients and not answer.
func (n *network) mute(members ...int) {
	n.t.Helper()
	for _, i := range members {
		n.at(i, "route add blackhole %s", n.sites[i].clients)
	}
}

// unmute undoes it.
func (n *network) unmute(members ...int) {
	n.t.Helper()
	for _, i := range members {
		n.at(i, "route del blackhole %s", n.sites[i].clients)
	}
}

// leads reports whether a member says of itself that it leads, or says nothing.
func leads(t *testing.T, client *clientv3.Client, m *member) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	status, err := client.Status(ctx, m.address)
	return err != nil || status.Leader == status.Header.MemberId
}

// A leader that was cut off from the other members, and not from clients, goes on answering for a while: nobody gets a lock
// from the next that its holder has not lost.
func TestNetworkCut(t *testing.T) {
	if !apart(t) {
		return
	}
	n := startNetwork(t, 0, 3)
	c := startClusterAt(t, n.sites)
	l, other := c.open("/n?ttl=10s"), c.open("/n?ttl=10s")
	held := lock(t, l, "x")
	deposed := c.leader()
	n.set("peers", "down", index(c, deposed))
	for client := c.client(); leads(t, client, deposed); {
		time.Sleep(50 * time.Millisecond)
	}
	c.leader() // another leads by now, or soon
	second, err := other.TryLock(t.Context(), "x")
	select {
	case <-held.Lost(): // on a slow machine the next leader may come too late to renew the lease
	default:
		if err == nil {
			t.Error("two hold after the leader was cut off")
		}
	}
	if err == nil {
		unlock(t, second)
	}
	if err := held.Unlock(); err != nil && !errors.Is(err, lockutils.ErrLost) {
		t.Error(err)
	}
	n.set("peers", "up", index(c, deposed))
	unlock(t, lock(t, other, "x"))
}
