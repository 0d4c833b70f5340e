package pymanager

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

// What multiprocessing.connection of CPython says, recorded: 3.11.2 and 3.12.1, with the key and the messages below.
//
//	class C:
//	    recv_bytes = lambda s, n: next(s.m)
//	    send_bytes = lambda s, b: print(b)
//	C.m = iter([b'#CHALLENGE#{sha256}' + bytes(range(40)), b'#WELCOME#'])
//	multiprocessing.connection.answer_challenge(C(), bytes(range(32)))
var (
	testKey    = []byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")
	testRandom = func() (b []byte) {
		for i := range randomSize {
			b = append(b, byte(i))
		}
		return b
	}()
)

const (
	macMD5    = "6d1d59991eb0ce8e22ec964068447c96"                                 // over {sha256} and the 40 bytes
	macSHA256 = "0988643d19a1da3f98648ba4eec9b8b09b61d95da64bc38ba809c6b7e7bcaf3c" // the same
	macOld    = "7e57151ba744ee63c52e1497fbef19d0"                                 // MD5 over the first 20 bytes alone
)

func unhex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// client plays the client's side from a script of frames; what the daemon says is collected.
type client struct {
	io.Reader
	said bytes.Buffer
}

func (c *client) Write(b []byte) (int, error) { return c.said.Write(b) }

func play(frames ...string) (said []string, err error) {
	var script bytes.Buffer
	for _, f := range frames {
		_ = writeFrame(&script, []byte(f))
	}
	c := &client{Reader: &script}
	err = authenticate(c, testKey, testRandom)
	for {
		frame, rerr := readFrame(&c.said, 1<<20, nil)
		if rerr != nil {
			return said, err
		}
		said = append(said, string(frame))
	}
}

func TestAuthenticate(t *testing.T) {
	old := string(testRandom[:20])
	for _, c := range []struct {
		name            string
		answer, demands string
		proof           string
	}{
		{"Python up to 3.11", string(unhex(macMD5)), challengeMark + old, string(unhex(macOld))},
		{"Python from 3.12", sha256Mark + string(unhex(macSHA256)), challengeMark + sha256Mark + string(testRandom), sha256Mark + string(unhex(macSHA256))},
	} {
		t.Run(c.name, func(t *testing.T) {
			said, err := play(c.answer, c.demands, welcome)
			if err != nil {
				t.Fatal(err)
			}
			want := []string{challengeMark + sha256Mark + string(testRandom), welcome, c.proof}
			if strings.Join(said, "|") != strings.Join(want, "|") {
				t.Errorf("said %q, want %q", said, want)
			}
			if _, err := play(c.answer, c.demands, failure); err == nil {
				t.Error("goes on although the client does not accept its proof")
			}
		})
	}
}

func TestAuthenticateRefuses(t *testing.T) {
	md5, sha := string(unhex(macMD5)), string(unhex(macSHA256))
	for _, answer := range []string{"", md5[:15], md5 + "x", "{md5}" + md5, sha, sha256Mark + sha[:31], sha256Mark, "{sha3_256}" + sha, "{sha256", welcome,
		string(unhex(macOld)), strings.Repeat("x", maxAuthFrame)} {
		said, err := play(answer, challengeMark+strings.Repeat("x", 20), welcome)
		if !errors.Is(err, errKey) {
			t.Errorf("%q: %v", answer, err)
		}
		if len(said) != 2 || said[1] != failure {
			t.Errorf("%q: said %q", answer, said)
		}
	}
	if _, err := play(strings.Repeat("x", maxAuthFrame+1)); !errors.As(err, new(tooLargeError)) {
		t.Errorf("a frame beyond the limit: %v", err)
	}
}

// A client that knows the key cannot have anything signed but what Python's would ask for.
func TestProveRefuses(t *testing.T) {
	for _, challenge := range []string{"", challengeMark, challengeMark + strings.Repeat("x", 19), challengeMark + strings.Repeat("x", 21),
		strings.Repeat("x", 31), challengeMark + "{sha384}" + strings.Repeat("x", 40), challengeMark + "{md5}" + strings.Repeat("x", 40)} {
		if proof, err := prove(testKey, []byte(challenge)); err == nil {
			t.Errorf("%q is answered with %q", challenge, proof)
		}
	}
}
