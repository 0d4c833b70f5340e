package etcdlock

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]struct {
		endpoints, prefix, user, password string
		ttl                               time.Duration
		tls                               bool
	}{
		"etcd://h":                                   {endpoints: "http://h:2379"},
		"etcd://h/":                                  {endpoints: "http://h:2379"},
		"etcd://h:1,g:2/net/x?ttl=10s":               {endpoints: "http://h:1 http://g:2", prefix: "/net/x", ttl: 10 * time.Second},
		"etcd://[::1]:1,[::1]/a%20b":                 {endpoints: "http://[::1]:1 http://[::1]:2379", prefix: "/a b"},
		"etcd://u:p%40@h/net?tls=true":               {endpoints: "https://h:2379", prefix: "/net", user: "u", password: "p@", tls: true},
		"etcd://u@h?password-file=" + file:           {endpoints: "http://h:2379", user: "u", password: "s3cret"},
		"etcd://h?server-name=etcd&tls=true&ttl=90s": {endpoints: "https://h:2379", ttl: 90 * time.Second, tls: true},
	} {
		config, opts, err := parse(text, Options{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := strings.Join(config.Endpoints, " "); got != want.endpoints || opts.Prefix != want.prefix || config.Username != want.user ||
			config.Password != want.password || opts.TTL != want.ttl || (config.TLS != nil) != want.tls {
			t.Errorf("%s: %s, %+v, user %q, password %q, TLS %v", text, got, opts, config.Username, config.Password, config.TLS != nil)
		}
	}
	for _, text := range []string{
		"", "http://h", "etcd://", "etcd:///x", "etcd://h,,g/x", "etcd://h/x#y", "etcd://u:hunter2%@h", "etcd://:hunter2@h",
		"etcd://u:hunter2@h?ttl=x", "etcd://u:hunter2@h?ttl=10ms", "etcd://u:hunter2@h?ttl=5s&ttl=6s", "etcd://u:hunter2@h?odd=1",
		"etcd://u:hunter2@h?tls=no", "etcd://u:hunter2@h/%zz", "etcd://u:hunter2@h?cacert=/nonexistent", "etcd://u@h?password-file=/nonexistent",
	} {
		config, _, err := parse(text, Options{})
		if err == nil {
			t.Errorf("%q: %v", text, config.Endpoints)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: the error has the password: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"etcd://h:1,g:2/net/x?ttl=10s", "etcd://u:p@[::1]:1/a%20b?tls=true", "etcd://h?odd"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "file") || strings.Contains(text, "cert") || strings.Contains(text, "key") {
			t.Skip("would read files")
		}
		config, _, err := parse(text, Options{})
		if err == nil && len(config.Endpoints) == 0 {
			t.Errorf("%q: no endpoint, and no error", text)
		}
	})
}
