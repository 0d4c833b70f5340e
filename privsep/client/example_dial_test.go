//go:build linux

package client_test

import (
	"context"
	"fmt"
	"log"

	"github.com/privhelper/privhelper/privsep/client"
)

// Under NoNewPrivileges, where sudo cannot work, a service of root's runs the commands.
func ExampleDial() {
	c, err := client.Dial(context.Background(), client.DefaultService)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	out, err := c.Command("ip", "link", "show").Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", out)
}
