// Command goplugin calls a function by hashicorp/go-plugin, in a process of its own, turn by turn: one that does nothing, or one that runs a
// program by os/exec.
//
//	goplugin netrpc|grpc [PROGRAM]
package main

import (
	"context"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/privhelper/privhelper/bench/internal/turn"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH", MagicCookieValue: "work"}

// worker answers what it was asked.
type worker interface{ Work(string) (string, error) }

// work is what the plugin does: nothing, or what it was asked to run.
func work(s string) (string, error) {
	if strings.HasPrefix(s, "/") {
		return s, exec.Command(s).Run()
	}
	return s, nil
}

// netRPC is worker over net/rpc.
type netRPC struct{ client *rpc.Client }

func (n netRPC) Work(s string) (reply string, err error) {
	err = n.client.Call("Plugin.Work", s, &reply)
	return reply, err
}

// netServer is what net/rpc calls.
type netServer struct{}

func (netServer) Work(s string, reply *string) (err error) {
	*reply, err = work(s)
	return err
}

// netPlugin is what go-plugin knows of the two.
type netPlugin struct{}

func (netPlugin) Server(*plugin.MuxBroker) (any, error) { return netServer{}, nil }
func (netPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) {
	return netRPC{c}, nil
}

// overGRPC is worker over gRPC, with a message that protobuf brings along.
type overGRPC struct{ conn *grpc.ClientConn }

const method = "/bench.Worker/Work"

func (g overGRPC) Work(s string) (string, error) {
	reply := &wrapperspb.StringValue{}
	err := g.conn.Invoke(context.Background(), method, wrapperspb.String(s), reply)
	return reply.Value, err
}

// grpcPlugin is what go-plugin knows of it.
type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Worker", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Work",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			s := &wrapperspb.StringValue{}
			err := decode(s)
			if err == nil {
				s.Value, err = work(s.Value)
			}
			return s, err
		}}}}, nil)
	return nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return overGRPC{c}, nil
}

func main() {
	if os.Args[1] != serve {
		ask := "abc"
		if len(os.Args) > 2 {
			ask = os.Args[2]
		}
		if err := call(os.Args[1], ask); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	plugin.Serve(&plugin.ServeConfig{HandshakeConfig: handshake, GRPCServer: plugin.DefaultGRPCServer,
		VersionedPlugins: map[int]plugin.PluginSet{1: plugins(os.Args[2])}, Logger: hclog.NewNullLogger()})
}

func plugins(protocol string) plugin.PluginSet {
	if protocol == "grpc" {
		return plugin.PluginSet{"worker": grpcPlugin{}}
	}
	return plugin.PluginSet{"worker": netPlugin{}}
}

// serve is the first argument of the plugin itself, before its protocol.
const serve = "serve"

// call starts the plugin, and calls it turn by turn.
func call(protocol, ask string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := plugin.NewClient(&plugin.ClientConfig{HandshakeConfig: handshake, Cmd: exec.Command(self, serve, protocol),
		VersionedPlugins: map[int]plugin.PluginSet{1: plugins(protocol)}, Logger: hclog.NewNullLogger(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC}})
	defer c.Kill()
	connection, err := c.Client()
	if err != nil {
		return err
	}
	dispensed, err := connection.Dispense("worker")
	if err != nil {
		return err
	}
	w := dispensed.(worker)
	return turn.Serve(os.Stdin, os.Stdout, turn.Timed(func() error {
		reply, err := w.Work(ask)
		if err == nil && reply != ask {
			err = fmt.Errorf("it answered %q", reply)
		}
		return err
	}))
}
