package processutils_test

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/privhelper/privhelper/processutils"
)

func Example() {
	ctx := context.Background()
	var runner processutils.Runner = processutils.Local{} // in a test: processutilstest

	c := processutils.Shell(`printf '%s\n' "$1"; exit 2`, "it's data, not script")
	c.Accept = []int{0, 2}
	c.Timeout = time.Minute
	res, err := runner.Run(ctx, c)
	fmt.Printf("%s%v, %v\n", res.Stdout, res.Status, err)

	_, err = runner.Run(ctx, processutils.Command("mysql-of-nowhere", "-phunter2"))
	fmt.Println(errors.Is(err, exec.ErrNotFound), err)
	// Output:
	// it's data, not script
	// exit status 2, <nil>
	// true run mysql-of-nowhere '-p***': exec: "mysql-of-nowhere": executable file not found in $PATH
}
