// Package privrunner is the processutils.Runner of a root helper: it hands each command to one, whose policy decides
// whether it runs. It runs on the service's side, and it alone of processutils imports privsep.
//
//	c, err := client.Start(ctx, client.Config{Launcher: client.Sudo("/usr/libexec/netservice-helper")})
//	var root processutils.Runner = privrunner.Runner{Client: c}
//	res, err := root.Run(ctx, processutils.Command("ip", "netns", "add", name))
//
// Under a lock between machines, a Runner with its token: privrunner.Runner{Client: c, Token: held.Token()}.
package privrunner
