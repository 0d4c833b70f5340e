//go:build linux && !amd64

package attack

import "errors"

func runPartial([]string) error {
	return errors.New("knows the registers of amd64 alone")
}
