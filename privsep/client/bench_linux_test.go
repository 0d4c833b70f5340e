package client_test

import (
	"context"
	"os"
	"testing"

	"github.com/privhelper/privhelper/privsep"
	"github.com/privhelper/privhelper/privsep/client"
)

// BenchmarkCall is one entrypoint's call and its answer: alone, and by 64 goroutines. The bytes and allocations are the
// client's; the helper is a process of its own.
func BenchmarkCall(b *testing.B) {
	c := start(b, client.Config{Contexts: []*privsep.Context{net}}, "helper-for-all")
	ctx := context.Background()
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := pid.Call(ctx, c, privsep.Void{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("64", func(b *testing.B) {
		b.ReportAllocs()
		if err := many(64, b.N, func(int) error {
			_, err := pid.Call(ctx, c, privsep.Void{})
			return err
		}); err != nil {
			b.Fatal(err)
		}
	})
	b.Run("file", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			f, err := echo.Call(ctx, c, privsep.File{File: os.Stdin})
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
}
