package sshrunner_test

import (
	"context"
	"os"

	"golang.org/x/crypto/ssh"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/sshrunner"
)

func Example() {
	_ = func(ctx context.Context) ([]byte, error) {
		text, err := os.ReadFile("/etc/svc/id_ed25519")
		if err != nil {
			return nil, err
		}
		key, err := ssh.ParsePrivateKey(text)
		if err != nil {
			return nil, err
		}
		remote, err := sshrunner.Dial(ctx, sshrunner.Config{Addr: "storage1", User: "svc", Auth: []ssh.AuthMethod{ssh.PublicKeys(key)}})
		if err != nil {
			return nil, err
		}
		defer remote.Close()
		res, err := remote.Run(ctx, processutils.Command("lvs", "--reportformat", "json"))
		if err != nil {
			return nil, err
		}
		return res.Stdout.Whole()
	}
}
