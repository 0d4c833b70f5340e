package strict

import (
	"bytes"
	"math/rand"
	"os"
	"reflect"
	"sync"
	"testing"
	"testing/quick"
)

// TestRoundTrip: whatever is sent comes back equal, and a value has one encoding.
func TestRoundTrip(t *testing.T) {
	p := planOf[every](t)
	back := func(v *every) bool {
		data, files, err := p.Append(nil, v, nil)
		if err != nil {
			t.Log(err)
			return false
		}
		var got every
		if err := p.Decode(data, files, &got); err != nil {
			t.Logf("% x: %v", data, err)
			return false
		}
		again, _, err := p.Append(nil, got, nil) // by value here, by pointer above
		return err == nil && bytes.Equal(again, data) && reflect.DeepEqual(&got, v)
	}
	err := quick.Check(back, &quick.Config{MaxCount: 3000, Values: func(args []reflect.Value, r *rand.Rand) {
		v := new(every)
		randomize(r, reflect.ValueOf(v).Elem(), 8)
		args[0] = reflect.ValueOf(v)
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestEveryByteMatters: a message that is cut anywhere is refused, and one with any byte changed is refused or decodes
// to something else than what was sent or to the same by another width; nothing panics and no file is taken twice.
func TestEveryByteMatters(t *testing.T) {
	p := planOf[every](t)
	r := rand.New(rand.NewSource(1))
	for range 20 {
		v := new(every)
		randomize(r, reflect.ValueOf(v).Elem(), 4)
		data, files, err := p.Append(nil, v, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(data) > 4096 {
			continue
		}
		for n := range data {
			if err := p.Check(data[:n], len(files), Limits{}); err == nil {
				t.Fatalf("%d of %d bytes pass", n, len(data))
			}
		}
		for i := range data {
			changed := bytes.Clone(data)
			changed[i] ^= 1 << r.Intn(8)
			var got every
			if p.Decode(changed, files, &got) == nil {
				wantEachOnce(t, p, &got, files)
			}
		}
	}
}

// wantEachOnce fails the test unless sending v again sends each of files once.
func wantEachOnce(t *testing.T, p *Plan, v any, files []*os.File) {
	t.Helper()
	_, sent, err := p.Append(nil, v, nil)
	if err != nil || len(sent) != len(files) {
		t.Fatalf("%d files came, %d are there: %v", len(files), len(sent), err)
	}
	seen := make(map[*os.File]bool)
	for _, f := range sent {
		seen[f] = true
	}
	for _, f := range files {
		if !seen[f] {
			t.Fatal("a file is lost")
		}
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	p := planOf[every](t)
	var wg sync.WaitGroup
	for seed := range int64(8) {
		wg.Go(func() {
			r := rand.New(rand.NewSource(seed))
			for range 50 {
				v, got := new(every), new(every)
				randomize(r, reflect.ValueOf(v).Elem(), 5)
				data, files, err := p.Append(nil, v, nil)
				if err == nil {
					err = p.Decode(data, files, got)
				}
				if err != nil || !reflect.DeepEqual(got, v) {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}
