package wire

import (
	"context"
	"testing"
)

// BenchmarkMessage is a call of two integers on one side and its receipt on the other: what the wire takes of a call that
// does nothing, once in each direction.
func BenchmarkMessage(b *testing.B) {
	client, helper := pair(b)
	ctx := context.Background()
	m := Call{ID: 1, Entrypoint: "net.set_mtu", Args: []byte{0x92, 1, 2}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Send(ctx, m, nil); err != nil {
			b.Fatal(err)
		}
		if _, _, err := helper.Receive(); err != nil {
			b.Fatal(err)
		}
	}
}
