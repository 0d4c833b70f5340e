package strict

import (
	"math/rand"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"
)

// plain is what the library and we can both send. Left out are float32 (the library reads no float 64 into one) and
// maps by integers of the library's own decoding, which it has.
type plain struct {
	Bool     bool              `msgpack:"bool"`
	Int      int               `msgpack:"int"`
	Int8     int8              `msgpack:"int8"`
	Uint64   uint64            `msgpack:"uint64"`
	Float    float64           `msgpack:"float"`
	String   string            `msgpack:"string"`
	Bytes    []byte            `msgpack:"bytes"`
	Array    [4]byte           `msgpack:"array"`
	Strings  []string          `msgpack:"strings"`
	Map      map[string]string `msgpack:"map"`
	ByInt    map[int]int16     `msgpack:"by_int"`
	Pointer  *small            `msgpack:"pointer"`
	Structs  []small           `msgpack:"structs"`
	Time     time.Time         `msgpack:"time"`
	Duration time.Duration     `msgpack:"duration"`
	Addr     netip.Addr        `msgpack:"addr"`
	AddrPort netip.AddrPort    `msgpack:"addr_port"`
	Prefix   netip.Prefix      `msgpack:"prefix"`
}

// TestPeer: what vmihailenco/msgpack sends we read, and what we send it reads, to the same value. A peer in another
// language has the same chance.
func TestPeer(t *testing.T) {
	p := planOf[plain](t)
	r := rand.New(rand.NewSource(1))
	for range 500 {
		var v, ours, theirs plain
		randomize(r, reflect.ValueOf(&v).Elem(), 6)

		data, err := msgpack.Marshal(&v)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Decode(data, nil, &ours); err != nil || !reflect.DeepEqual(ours, v) {
			t.Fatalf("from the library: %v\n got %+v\nwant %+v", err, ours, v)
		}

		if data, _, err = p.Append(nil, &v, nil); err != nil {
			t.Fatal(err)
		}
		err = msgpack.Unmarshal(data, &theirs)
		theirs.Time = theirs.Time.UTC() // the library reads into the zone of the machine
		if err != nil || !reflect.DeepEqual(theirs, v) {
			t.Fatalf("to the library: %v\n got %+v\nwant %+v", err, theirs, v)
		}
	}
}

// TestPeerTakesWhatWeRefuse keeps the reasons for this package true: should a new version of the library refuse one
// of these, this test says so.
func TestPeerTakesWhatWeRefuse(t *testing.T) {
	for _, test := range []struct {
		why   string
		bytes string
		into  any
		want  any
	}{
		{"300 in an int8 is 44", "cd012c", new(int8), int8(44)},
		{"−1 in a uint64 is 2⁶⁴−1", "ff", new(uint64), uint64(1<<64 - 1)},
		{"nil for an integer is 0", "c0", new(int), 0},
		{"the last of two keys counts", "82 a4 'link a1 'a a4 'link a1 'b", new(small), small{Link: "b"}},
		{"trailing bytes are left", "01 02", new(int), 1},
		{"an array for a struct", "95 a1 'a 00 c2 c0 00", new(small), small{Link: "a"}},
		{"an unknown field is passed over", "81 a1 'z 01", new(small), small{}},
		{"a byte array too short", "c401 01", new([4]byte), [4]byte{1}},
		{"a string for bytes", "a1 'x", new([]byte), []byte("x")},
	} {
		if err := msgpack.Unmarshal(unhex(t, test.bytes), test.into); err != nil {
			t.Errorf("%s: the library refuses it now: %v", test.why, err)
		} else if got := reflect.ValueOf(test.into).Elem().Interface(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: the library makes it %v", test.why, got)
		}
		typ := reflect.TypeOf(test.into).Elem()
		if err := mustPlan(t, typ).Check(unhex(t, test.bytes), 0, Limits{}); err == nil {
			t.Errorf("%s: passes", test.why)
		}
	}
}
