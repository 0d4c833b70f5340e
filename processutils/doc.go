// Package processutils runs commands well: what (Cmd), where (Runner), how often (Retry). It runs as the service's user
// and imports nothing of privsep.
//
//	res, err := processutils.Local{}.Run(ctx, processutils.Command("qemu-img", "info", "--output=json", disk))
//
// os/exec leaves to each caller, and this package does always:
//
//   - Output is captured with a bound, head and tail, so that no command eats the memory (Cmd.Bound).
//   - The end of the context ends the whole tree, asking first (Cmd.Stop), and Run returns then, whatever still holds
//     the pipe (golang/go #60309).
//   - The command sees descriptors 0 to 2, no signal ignored or blocked, and the caller's soft limit on files from before
//     Go raised it.
//   - Every failure is an *ExecError: command line, exit code or signal, both outputs, attempt, duration and the stage
//     that failed; secrets masked in it, in logs and in whatever prints a Cmd.
//
// A Runner is one method: Local starts the command here, processutils/privrunner has a root helper run it, Prefix puts
// sudo or its like before it, processutils/sshrunner runs it on another machine, processutils/processutilstest pretends.
// Retry is a Runner around another. The functions of oslo.concurrency's processutils stand beside ours in
// docs/from-oslo.md.
package processutils
