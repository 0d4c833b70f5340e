// Command goplugin calls a function that does nothing by hashicorp/go-plugin, in a process of its own, turn by turn.
//
//	goplugin netrpc|grpc
package main

import (
	"context"
	"fmt"
	"net/rpc"
	"os"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/privhelper/privhelper/bench/internal/turn"
)

var handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "BENCH", MagicCookieValue: "noop"}

// noop answers what it was asked.
type noop interface{ Noop(string) (string, error) }

// netRPC is noop over net/rpc.
type netRPC struct{ client *rpc.Client }

func (n netRPC) Noop(s string) (reply string, err error) {
	err = n.client.Call("Plugin.Noop", s, &reply)
	return reply, err
}

// netServer is what net/rpc calls.
type netServer struct{}

func (netServer) Noop(s string, reply *string) error { *reply = s; return nil }

// netPlugin is what go-plugin knows of the two.
type netPlugin struct{}

func (netPlugin) Server(*plugin.MuxBroker) (any, error) { return netServer{}, nil }
func (netPlugin) Client(_ *plugin.MuxBroker, c *rpc.Client) (any, error) {
	return netRPC{c}, nil
}

// overGRPC is noop over gRPC, with a message that protobuf brings along.
type overGRPC struct{ conn *grpc.ClientConn }

const method = "/bench.Noop/Noop"

func (g overGRPC) Noop(s string) (string, error) {
	reply := &wrapperspb.StringValue{}
	err := g.conn.Invoke(context.Background(), method, wrapperspb.String(s), reply)
	return reply.Value, err
}

// grpcPlugin is what go-plugin knows of it.
type grpcPlugin struct{ plugin.NetRPCUnsupportedPlugin }

func (grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.Noop", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Noop",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			s := &wrapperspb.StringValue{}
			return s, decode(s)
		}}}}, nil)
	return nil
}

func (grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return overGRPC{c}, nil
}

func main() {
	if len(os.Args) == 2 {
		if err := call(os.Args[1]); err != nil {
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
		return plugin.PluginSet{"noop": grpcPlugin{}}
	}
	return plugin.PluginSet{"noop": netPlugin{}}
}

// call starts the plugin, and calls it turn by turn.
func call(protocol string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := plugin.NewClient(&plugin.ClientConfig{HandshakeConfig: handshake, Cmd: exec.Command(self, "serve", protocol),
		VersionedPlugins: map[int]plugin.PluginSet{1: plugins(protocol)}, Logger: hclog.NewNullLogger(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolNetRPC, plugin.ProtocolGRPC}})
	defer c.Kill()
	connection, err := c.Client()
	if err != nil {
		return err
	}
	dispensed, err := connection.Dispense("noop")
	if err != nil {
		return err
	}
	n := dispensed.(noop)
	return turn.Serve(os.Stdin, os.Stdout, turn.Timed(func() error {
		reply, err := n.Noop("abc")
		if err == nil && reply != "abc" {
			err = fmt.Errorf("it answered %q", reply)
		}
		return err
	}))
}
