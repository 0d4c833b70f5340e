package main

import (
	"errors"
	"math"
	"os"
	"strings"

	"github.com/privhelper/privhelper/filters"
	"github.com/privhelper/privhelper/filters/host"
	"github.com/privhelper/privhelper/privsep/daemon"
	root "github.com/privhelper/privhelper/privsep/daemon/rootwrap"
	"github.com/privhelper/privhelper/privsep/daemon/service"
)

// serveMany is `privhelper serve`: root helpers for all who connect to a socket and may.
func serveMany(args []string) int {
	values, rest, err := takeValues(args, "--config", "--listen")
	if err == nil && len(rest) > 0 {
		err = errors.New("takes no command: its clients send them")
	}
	if err != nil {
		return fail(exitNoCommand, "serve: %v", err)
	}
	config := values["--config"]
	if config == "" {
		config = defaultConfig
	}
	service.Main(service.Options{
		Listen: values["--listen"],
		Load:   func() (service.Setup, error) { return setupOf(config) },
		Worker: func(snapshot *os.File) (*daemon.Daemon, error) {
			commands := root.New(root.Options{
				Load:  func() (*host.Loaded, error) { return loadSnapshot(snapshot) },
				Audit: os.Stderr, // the service's own: the journal
			})
			return daemon.New(daemon.Options{Commands: commands}), nil
		},
	})
	return 0
}

// setupOf reads a configuration for the master of a service.
func setupOf(config string) (service.Setup, error) {
	loaded, snapshot, err := takeSnapshot(config)
	if err != nil {
		return service.Setup{}, err
	}
	opt := loaded.Config.Service
	s := service.Setup{
		Ready: clamp(opt.Ready), Drain: opt.Drain, Snapshot: snapshot, Name: config,
		Limits:  service.Limits{Connections: clamp(opt.Connections), PerUser: clamp(opt.PerUser), Calls: clamp(opt.Calls)},
		Clients: service.Clients{AnyNamespace: opt.AnyNamespace},
	}
	if loaded.Config.HasCapabilities {
		bounding, err := root.Capabilities(loaded.Config.Capabilities)
		if err != nil {
			return service.Setup{}, &filters.Error{File: config, Line: loaded.Config.Lines["capabilities"], Msg: "capabilities: " + err.Error(), Value: true}
		}
		s.Bounding = &bounding
	}
	for _, who := range opt.Clients {
		if err := addClient(&s.Clients, loaded, who); err != nil {
			return service.Setup{}, &filters.Error{File: config, Line: loaded.Config.Lines["clients"], Msg: "clients: " + err.Error(), Value: true}
		}
	}
	return s, nil
}

// addClient looks up a user or @group now: it means the number that it has when the configuration is read.
func addClient(c *service.Clients, loaded *host.Loaded, who string) error {
	if group, ok := strings.CutPrefix(who, "@"); ok {
		gid, err := loaded.LookupGroup(group)
		c.GIDs = append(c.GIDs, uint32(gid))
		return err
	}
	if uid, err := filters.ParseID(who); err == nil {
		c.UIDs = append(c.UIDs, uid)
		return nil
	}
	account, err := loaded.LookupUser(who)
	c.UIDs = append(c.UIDs, uint32(account.UID))
	return err
}

// clamp: a limit that no machine reaches is as good as a larger one.
func clamp(n int64) int { return int(min(n, math.MaxInt32)) }
