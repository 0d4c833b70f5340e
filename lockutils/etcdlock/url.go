package etcdlock

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/privhelper/privhelper/lockutils"
)

// Scheme makes lockutils.Open understand URLs of the form
//
//	etcd://[USER[:PASSWORD]@]HOST:PORT[,HOST:PORT…][/PREFIX][?OPTION=VALUE&…]
//
// whose options are
//
//	ttl            Options.TTL, as time.ParseDuration reads it
//	cacert         file of the certificates that members must be signed by; makes the connection TLS
//	cert, key      files of the client's certificate; make the connection TLS
//	tls            true makes the connection TLS, with the certificates that the system trusts
//	server-name    the name in the members' certificates, where it is not their host
//	password-file  file whose first line is the user's password, so that the URL needs none
//	dial-timeout   how long a member may take to answer when it is connected to; 2s without it
//
// Files of certificates are read anew at every connection. Opening asks the cluster once, so that a wrong address or
// password shows there and not at the first lock.
var Scheme = lockutils.Scheme{Name: "etcd", Open: func(ctx context.Context, text string) (lockutils.Locker, error) {
	return Open(ctx, text, Options{})
}}

// Open is Scheme's, for those who need the *Locker or a Logger. What the URL says goes before opts.
func Open(ctx context.Context, text string, opts Options) (*Locker, error) {
	config, opts, err := parse(text, opts)
	if err != nil {
		return nil, err
	}
	config.Logger = zap.NewNop() // the client would write to standard error; what matters comes back as errors
	client, err := clientv3.New(config)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", strings.Join(config.Endpoints, ", "), err)
	}
	if _, err := client.Get(ctx, opts.Prefix+"/", clientv3.WithCountOnly()); err != nil {
		return nil, errors.Join(fmt.Errorf("ask %s: %w", strings.Join(config.Endpoints, ", "), err), client.Close())
	}
	l := New(client, opts)
	l.owned = true
	return l, nil
}

// parse reads a URL. Its errors leave out what stands before the hosts. net/url reads no list of hosts.
func parse(text string, opts Options) (clientv3.Config, Options, error) {
	config := clientv3.Config{DialTimeout: 2 * time.Second, DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 5 * time.Second}
	fail := func(format string, args ...any) (clientv3.Config, Options, error) {
		return clientv3.Config{}, Options{}, fmt.Errorf(format, args...)
	}
	rest, found := strings.CutPrefix(text, "etcd://")
	if !found {
		return fail("not an etcd URL: write etcd://HOST:2379/PREFIX")
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, rest = rest[:i], rest[i:]
	} else {
		rest = ""
	}
	hosts := authority
	if i := strings.LastIndexByte(authority, '@'); i >= 0 {
		user, password, _ := strings.Cut(authority[:i], ":")
		var errs [2]error
		config.Username, errs[0] = url.PathUnescape(user)
		config.Password, errs[1] = url.PathUnescape(password)
		if errs[0] != nil || errs[1] != nil || user == "" {
			return fail("user and password are empty or not escaped as a URL's are (%%40 for @, %%2F for /)")
		}
		hosts = authority[i+1:]
	}
	// A path cannot be taken for a scheme or a host behind these.
	tail, err := url.Parse("etcd://x" + rest)
	if err != nil {
		return fail("path and options: %w", errors.Unwrap(err))
	}
	if tail.Fragment != "" {
		return fail("a # has no meaning: write %%23 where it is of the prefix")
	}
	query, err := url.ParseQuery(tail.RawQuery)
	if err != nil {
		return fail("options: %w", err)
	}
	opts.Prefix = strings.TrimSuffix(tail.Path, "/")
	o := options{config: &config, opts: &opts}
	for name, values := range query {
		if len(values) != 1 {
			return fail("option %s stands there %d times", name, len(values))
		}
		if err := o.set(name, values[0]); err != nil {
			return fail("option %s: %w", name, err)
		}
	}
	scheme := "http://"
	if o.secure {
		scheme = "https://"
		o.tls.Logger = zap.NewNop()
		if config.TLS, err = o.tls.ClientConfig(); err != nil {
			return fail("TLS: %w", err)
		}
	}
	for host := range strings.SplitSeq(hosts, ",") {
		if host == "" || strings.ContainsAny(host, " @") {
			return fail("%q is no list of HOST:PORT", hosts)
		}
		if !strings.Contains(host[strings.LastIndexByte(host, ']')+1:], ":") {
			host += ":2379"
		}
		config.Endpoints = append(config.Endpoints, scheme+host)
	}
	return config, opts, nil
}

// options are those of a URL while it is read.
type options struct {
	config *clientv3.Config
	opts   *Options
	tls    transport.TLSInfo
	secure bool
}

func (o *options) set(name, value string) (err error) {
	switch name {
	case "ttl":
		if o.opts.TTL, err = time.ParseDuration(value); err == nil && o.opts.TTL < time.Second {
			err = errors.New("less than a second: a lease lasts seconds")
		}
	case "dial-timeout":
		o.config.DialTimeout, err = time.ParseDuration(value)
	case "cacert":
		o.tls.TrustedCAFile, o.secure = value, true
	case "cert":
		o.tls.CertFile, o.secure = value, true
	case "key":
		o.tls.KeyFile, o.secure = value, true
	case "server-name":
		o.tls.ServerName = value
	case "tls":
		if value != "true" {
			return errors.New(`is "true" or left out`)
		}
		o.secure = true
	case "password-file":
		var text []byte
		text, err = os.ReadFile(value)
		o.config.Password, _, _ = strings.Cut(string(text), "\n")
	default:
		err = errors.New("unknown")
	}
	return err
}
