package etcdlock_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/privhelper/privhelper/internal/testenv"
	"github.com/privhelper/privhelper/lockutils"
)

// apart is set in the process that TestNetworkCut runs itself in, in a network of its own.
const apart = "PRIVHELPER_TEST_APART"

// network is a machine for each member, which are network namespaces, and two bridges between them: one for the members
// among themselves, and one to their clients, who are where the test is.
type network struct {
	t     *testing.T
	sites []site
}

func startNetwork(t *testing.T, size int) *network {
	n := &network{t: t}
	n.ip("link set lo up")
	n.ip("link add peers type bridge")
	n.ip("link set peers up")
	n.ip("link add clients type bridge")
	n.ip("addr add 10.0.1.254/24 dev clients")
	n.ip("link set clients up")
	for i := range size {
		namespace := exec.Command("sleep", "infinity")
		namespace.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
		if err := namespace.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { namespace.Process.Kill(); namespace.Wait() })
		into := []string{"nsenter", fmt.Sprintf("--net=/proc/%d/ns/net", namespace.Process.Pid)}
		s := site{via: into, client: fmt.Sprintf("10.0.1.%d:2379", i+1), peer: fmt.Sprintf("10.0.2.%d:2380", i+1)}
		for bridge, address := range map[string]string{"clients": s.client, "peers": s.peer} {
			host, _, _ := strings.Cut(address, ":")
			n.ip("link add %s%d type veth peer name %s netns %d", bridge, i, bridge, namespace.Process.Pid)
			n.ip("link set %s%d master %s up", bridge, i, bridge)
			n.run(append(into, strings.Fields("ip addr add "+host+"/24 dev "+bridge)...)...)
			n.run(append(into, strings.Fields("ip link set "+bridge+" up")...)...)
		}
		n.run(append(into, "ip", "link", "set", "lo", "up")...)
		n.sites = append(n.sites, s)
	}
	return n
}

func (n *network) ip(format string, args ...any) {
	n.t.Helper()
	n.run(append([]string{"ip"}, strings.Fields(fmt.Sprintf(format, args...))...)...)
}

func (n *network) run(argv ...string) {
	n.t.Helper()
	if out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput(); err != nil {
		n.t.Fatalf("%q: %v\n%s", argv, err, out)
	}
}

// set cuts members off from a bridge, or connects them again. What is on its way is lost without an error, as on a wire.
func (n *network) set(bridge, state string, members ...int) {
	n.t.Helper()
	for _, i := range members {
		n.ip("link set %s%d %s", bridge, i, state)
	}
}

// disturb cuts links at random for a while, and heals each cut; holders are stopped meanwhile.
func (n *network) disturb(c *cluster, random *rand.Rand, stops []func(time.Duration), until time.Time) {
	for time.Now().Before(until) {
		one := random.IntN(len(c.members))
		two := (one + 1 + random.IntN(len(c.members)-1)) % len(c.members)
		pause := time.Duration(500+random.IntN(2500)) * time.Millisecond
		var wg sync.WaitGroup
		if random.IntN(2) == 0 {
			stop := stops[random.IntN(len(stops))]
			wg.Go(func() { stop(pause) })
		}
		switch random.IntN(5) {
		case 0: // a member and its clients are alone
			n.set("peers", "down", one)
			time.Sleep(pause)
			n.set("peers", "up", one)
		case 1: // a member is alone
			n.set("peers", "down", one)
			n.set("clients", "down", one)
			time.Sleep(pause)
			n.set("clients", "up", one)
			n.set("peers", "up", one)
		case 2: // each is alone: no majority
			n.set("peers", "down", one, two)
			time.Sleep(pause)
			n.set("peers", "up", one, two)
		case 3: // clients reach a minority only, which reaches the others
			n.set("clients", "down", one, two)
			time.Sleep(pause)
			n.set("clients", "up", one, two)
		case 4: // the leader and its clients are alone: it does not know yet, and answers
			leader := index(c, c.leader())
			n.set("peers", "down", leader)
			time.Sleep(pause)
			n.set("peers", "up", leader)
		}
		wg.Wait()
		time.Sleep(time.Duration(random.IntN(500)) * time.Millisecond)
	}
}

// leads reports whether a member says of itself that it leads, or says nothing.
func leads(t *testing.T, client *clientv3.Client, m *member) bool {
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	status, err := client.Status(ctx, m.address)
	return err != nil || status.Leader == status.Header.MemberId
}

// The network between members that run on is cut and heals: first of the leader, after which nobody gets a lock that its
// holder has not lost; and then at random, where the histories of the locks are judged as in TestSchedules, and each lock
// is had again afterwards.
func TestNetworkCut(t *testing.T) {
	testenv.NeedRoot(t)
	if os.Getenv(apart) == "" {
		testenv.NeedProgram(t, "ip", "iproute2")
		testenv.NeedProgram(t, "nsenter", "util-linux")
		again := exec.Command("/proc/self/exe", "-test.run=^TestNetworkCut$", "-test.v", "-test.timeout=5m")
		again.Env = append(os.Environ(), apart+"=1")
		again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		out, err := again.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Error(err)
		}
		return
	}
	const each, contenders = 4, 3
	n := startNetwork(t, 3)
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

	seed := uint64(time.Now().UnixNano())
	var all []*history
	var ends []func()
	var stops []func(time.Duration)
	for i := range each {
		h := &history{}
		all = append(all, h)
		for client := range contenders {
			end, stop := h.contend(t, c, fmt.Sprint(i), client)
			ends, stops = append(ends, end), append(stops, stop)
		}
	}
	n.disturb(c, rand.New(rand.NewPCG(seed, 0)), stops, time.Now().Add(5*time.Second))
	for i, h := range all {
		h.waitGrant(t, fmt.Sprintf("seed %d, lock %d, healed", seed, i))
	}
	for _, end := range ends {
		end()
	}
	late := 0
	for i, h := range all {
		late += h.check(t, fmt.Sprintf("seed %d, lock %d", seed, i))
	}
	t.Logf("%d histories, %d late acts refused", len(all), late)
}
