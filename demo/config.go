package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"time"
)

// config is what the flags say.
type config struct {
	addr, providerAddr string
	store              string // memory, sqlite or cookie
	db                 string
	keys               string
	accessTTL          time.Duration // 0: each dialect's own
	insecureBind       bool
	tour               bool
}

const (
	memory = "memory"
	sqlite = "sqlite"
	cookie = "cookie"
)

const defaultDB = "tokenkeep-demo.db"

func parseFlags(args []string, stderr io.Writer) (config, error) {
	var c config
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080", "where the partner app listens")
	f.StringVar(&c.providerAddr, "provider-addr", "127.0.0.1:9096", "where the provider listens")
	f.StringVar(&c.store, "store", memory, "where the app keeps tokens: memory, sqlite or cookie")
	f.StringVar(&c.db, "db", "", "SQLite `file`: sessions, the provider's tokens and the keys outlive a restart\n"+
		"(with -store sqlite the default is "+defaultDB+")")
	f.StringVar(&c.keys, "keys", "", "`file` of the seal keys, made if there is none (default: beside the -db file;\n"+
		"without one, keys are random at each start)")
	f.DurationVar(&c.accessTTL, "access-ttl", 0, "lifetime of the provider's access tokens, such as 5s (default: each dialect's own)")
	f.BoolVar(&c.insecureBind, "insecure-bind", false, "allow addresses beyond loopback. RISK: everything goes over plain http, so whoever is on the\n"+
		"network reads passwords, cookies and tokens. Secrets and passwords are then random and printed at start")
	f.BoolVar(&c.tour, "tour", false, "start everything on free ports, walk every flow, print it, check it, exit")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return c, err
		}
		return c, errors.New("demo: see -help") // flag has printed what is wrong
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("demo: unexpected argument %q", f.Arg(0))
	}
	if c.store == sqlite && c.db == "" {
		c.db = defaultDB
	}
	if c.db != "" && c.keys == "" {
		c.keys = c.db + ".keys"
	}
	return c, c.validate()
}

func (c *config) validate() error {
	var errs []error
	switch c.store {
	case memory, sqlite, cookie:
	default:
		errs = append(errs, fmt.Errorf("demo: -store %q: want memory, sqlite or cookie", c.store))
	}
	if c.store == memory && c.db != "" {
		errs = append(errs, errors.New("demo: -db keeps nothing with -store memory: add -store sqlite or -store cookie"))
	}
	if c.accessTTL != 0 && c.accessTTL < time.Second {
		errs = append(errs, fmt.Errorf("demo: -access-ttl %v: want a second or more, since answers tell whole seconds", c.accessTTL))
	}
	errs = append(errs, c.checkAddr("addr", c.addr), c.checkAddr("provider-addr", c.providerAddr))
	return errors.Join(errs...)
}

// checkAddr refuses what is not loopback, unless the risk was acknowledged.
func (c *config) checkAddr(name, addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("demo: -%s %q: want host:port", name, addr)
	}
	if isLoopback(host) || c.insecureBind {
		return nil
	}
	return fmt.Errorf("demo: -%s %s reaches beyond this machine, over plain http: use 127.0.0.1, or acknowledge the risk with -insecure-bind", name, addr)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
