package pymanager

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
)

// What multiprocessing.connection says, deliver_challenge and answer_challenge.
const (
	challengeMark = "#CHALLENGE#"
	welcome       = "#WELCOME#"
	failure       = "#FAILURE#"
	sha256Mark    = "{sha256}"

	maxAuthFrame    = 256 // bytes, recv_bytes(256)
	randomSize      = 40  // bytes, MESSAGE_LENGTH from Python 3.12 on
	legacyChallenge = 20  // bytes, MESSAGE_LENGTH up to 3.11
)

var errKey = errors.New("the client does not know the key")

// authenticate has the client prove that it knows key and proves it to the client, in this order. random is fresh bytes,
// randomSize of them. The form is that of Python 3.12: clients up to 3.11 take the whole message for an opaque challenge
// and answer with HMAC-MD5 over it.
//
// MD5 is what those clients know. HMAC does not need a hash without collisions, and whoever can reach the socket is of
// the right uid already.
func authenticate(conn io.ReadWriter, key, random []byte) error {
	message := append([]byte(sha256Mark), random...)
	if err := writeFrame(conn, append([]byte(challengeMark), message...)); err != nil {
		return err
	}
	response, err := readFrame(conn, maxAuthFrame, nil)
	if err != nil {
		return err
	}
	if !proves(key, message, response) {
		return errors.Join(errKey, writeFrame(conn, []byte(failure)))
	}
	if err := writeFrame(conn, []byte(welcome)); err != nil {
		return err
	}
	challenge, err := readFrame(conn, maxAuthFrame, nil)
	if err != nil {
		return err
	}
	proof, err := prove(key, challenge)
	if err != nil {
		return err
	}
	if err := writeFrame(conn, proof); err != nil {
		return err
	}
	answer, err := readFrame(conn, maxAuthFrame, nil)
	if err != nil {
		return err
	}
	if string(answer) != welcome {
		return errors.New("the client does not accept that this daemon knows the key")
	}
	return nil
}

// proves judges the answer to a challenge: `{sha256}` and HMAC-SHA256 over the whole message, or HMAC-MD5 alone.
func proves(key, message, response []byte) bool {
	if mac, ok := bytes.CutPrefix(response, []byte(sha256Mark)); ok && len(response) != md5.Size {
		return hmac.Equal(mac, sum(sha256.New, key, message))
	}
	return hmac.Equal(response, sum(md5.New, key, message))
}

// prove answers a client's challenge in the form that it asks for. Whoever has passed proves knows the key, so that a
// signature for a message of its choice gives it nothing; it is bounded all the same, as Python 3.12 bounds it.
func prove(key, challenge []byte) ([]byte, error) {
	message, ok := bytes.CutPrefix(challenge, []byte(challengeMark))
	switch {
	case !ok || len(message) < legacyChallenge:
		return nil, errors.New("the client's challenge is none")
	case len(message) == legacyChallenge:
		return sum(md5.New, key, message), nil
	case bytes.HasPrefix(message, []byte(sha256Mark)):
		return append([]byte(sha256Mark), sum(sha256.New, key, message)...), nil
	}
	return nil, errors.New("the client's challenge asks for a digest other than sha256 or md5")
}

func sum(digest func() hash.Hash, key, message []byte) []byte {
	mac := hmac.New(digest, key)
	mac.Write(message)
	return mac.Sum(nil)
}
