package mask_test

import (
	"fmt"

	"github.com/privhelper/privhelper/internal/mask"
)

func Example() {
	m := mask.New("hunter2") // what the caller knows to be secret
	fmt.Println(m.Args([]string{"mysql", "-uroot", "-pother", "--execute", "SET PASSWORD 'third'", "hunter2"}))
	fmt.Println(m.Text(`curl: {"adminPass": "fourth"} to https://me:fifth@host/`))
	// Output:
	// [mysql -uroot -p*** --execute SET PASSWORD '***' ***]
	// curl: {"adminPass": "***"} to https://me:***@host/
}
