// Package sshrunner is the processutils.Runner of another machine: it runs commands there by SSH. It runs on the service's
// side, and no root helper links it.
//
//	remote, err := sshrunner.Dial(ctx, sshrunner.Config{Addr: "storage1", User: "svc", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}})
//	defer remote.Close()
//	res, err := remote.Run(ctx, processutils.Command("lvs", "--reportformat", "json"))
//
// oslo's ssh_execute takes a line for the remote shell, reads one output to its end before the other, and has neither
// input nor environment. Here a command line is a list as everywhere, quoted for the remote shell; both outputs are read
// together; input is fed; and the host's key is always checked: nothing switches that off.
package sshrunner
