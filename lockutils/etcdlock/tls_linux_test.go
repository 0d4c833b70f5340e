package etcdlock_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/privhelper/privhelper/lockutils"
	"github.com/privhelper/privhelper/lockutils/etcdlock"
)

// A cluster that wants the client's certificate gives locks to who has it, by lockutils.Open, and to nobody else.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	c := startCluster(t, 1, "--cert-file", cert, "--key-file", key, "--trusted-ca-file", cert, "--client-cert-auth")
	options := "/tls?cacert=" + cert
	c.open(options + "&cert=" + cert + "&key=" + key).Close()

	locks, err := lockutils.Open(t.Context(), c.url(options+"&cert="+cert+"&key="+key), etcdlock.Scheme)
	if err != nil {
		t.Fatal(err)
	}
	unlock(t, lock(t, locks, "x"))
	if err := locks.Close(); err != nil {
		t.Error(err)
	}
	for _, without := range []string{"/tls", "/tls?tls=true", options} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		if locks, err := lockutils.Open(ctx, c.url(without), etcdlock.Scheme); err == nil {
			t.Errorf("%s: opened", without)
			locks.Close()
		}
		cancel()
	}
}

// selfSigned writes a certificate for loopback that is its own authority.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "EC PRIVATE KEY", private)
}
