package bulk_test

import (
	"context"
	"fmt"
	"os"

	"github.com/privhelper/privhelper/processutils"
	"github.com/privhelper/privhelper/processutils/bulk"
)

func Example() {
	var commands []processutils.Cmd
	for _, name := range []string{"blue", "green"} {
		commands = append(commands, processutils.Command("echo", name))
	}
	outcomes, err := bulk.Pool{Progress: os.Stdout, Title: "networks", Workers: 1}.Run(context.Background(), commands)
	fmt.Printf("%s%v\n", outcomes[1].Result.Stdout, err)
	// Output:
	// networks: 1 of 2 done, 0 failed
	// networks: 2 of 2 done, 0 failed
	// green
	// <nil>
}
