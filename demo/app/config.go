package app

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// config is what the flags say.
type config struct {
	addr, providerAddr string
	store              string // one of kinds
	db                 string
	redis              string // host:port
	keys               string
	accessTTL          time.Duration // 0: each dialect's own
	trouble            trouble
	replicas           int // processes behind one front; 0: this one is all
	insecureBind       bool
	tour               bool

	// Of a replica, as its front starts it.
	replica              int // 1, 2, …; 0: no replica
	frontURL, frontedURL string
	more                 []Store
	spawn                func(args []string) *exec.Cmd // nil: this executable
}

const (
	memory    = "memory"
	sqlite    = "sqlite"
	cookie    = "cookie"
	redisKind = "redis"
)

const (
	defaultDB   = "tokenkeep-demo.db"
	maxReplicas = 8
)

func (c *config) isReplica() bool { return c.replica > 0 }
func (c *config) isFront() bool   { return c.replicas > 0 && !c.isReplica() }

// kinds are the stores that this configuration can open.
func (c *config) kinds() []string {
	kinds := []string{memory, sqlite, cookie}
	if c.replicas > 0 {
		kinds = kinds[1:] // processes share no memory
	}
	if c.redis != "" {
		kinds = append(kinds, redisKind)
	}
	for _, s := range c.more {
		kinds = append(kinds, s.Name)
	}
	return kinds
}

func parseFlags(args []string, stderr io.Writer, more []Store) (config, error) {
	c := config{more: more}
	f := flag.NewFlagSet("demo", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&c.addr, "addr", "127.0.0.1:8080", "where the partner app listens")
	f.StringVar(&c.providerAddr, "provider-addr", "127.0.0.1:9096", "where the provider listens")
	f.StringVar(&c.store, "store", memory, "where the app keeps tokens until the page's picker says otherwise: memory, sqlite,\n"+
		"cookie, or redis with -redis")
	f.StringVar(&c.db, "db", "", "SQLite `file`: sessions, the provider's tokens and the keys outlive a restart\n"+
		"(with -store sqlite the default is "+defaultDB+")")
	f.StringVar(&c.redis, "redis", "", "`host:port` of a Redis server, for the store redis")
	f.StringVar(&c.keys, "keys", "", "`file` of the seal keys, made if there is none (default: beside the -db file;\n"+
		"without one, keys are random at each start)")
	f.DurationVar(&c.accessTTL, "access-ttl", 0, "lifetime of the provider's access tokens, such as 5s (default: each dialect's own)")
	f.DurationVar(&c.trouble.latency, "provider-latency", 0, "what each token request takes at the provider, such as 200ms")
	f.Float64Var(&c.trouble.errors, "provider-errors", 0, "`share` of the token requests that fail, such as 0.05: half of them before the provider has done\n"+
		"anything, half after, so that the answer is lost")
	f.IntVar(&c.replicas, "replicas", 0, "run the app as `N` processes behind one address, on a store that they share")
	f.BoolVar(&c.insecureBind, "insecure-bind", false, "allow addresses beyond loopback. RISK: everything goes over plain http, so whoever is on the\n"+
		"network reads passwords, cookies and tokens. Secrets and passwords are then random and printed at start")
	f.BoolVar(&c.tour, "tour", false, "start everything on free ports, walk every flow, print it, check it, exit")
	f.IntVar(&c.replica, "replica", 0, "`number` of this process; -replicas sets it, with -front and -provider")
	f.StringVar(&c.frontURL, "front", "", "`URL` of the front that this replica stands behind")
	f.StringVar(&c.frontedURL, "provider", "", "`URL` of the provider that this replica uses")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return c, err
		}
		return c, errors.New("demo: see -help") // flag has printed what is wrong
	}
	if f.NArg() > 0 {
		return c, fmt.Errorf("demo: unexpected argument %q", f.Arg(0))
	}
	if c.replicas > 0 && c.store == memory {
		c.store = sqlite // what several processes can share
	}
	if (c.store == sqlite || c.replicas > 0) && c.db == "" {
		c.db = defaultDB
	}
	if c.db != "" && c.keys == "" {
		c.keys = c.db + ".keys"
	}
	return c, c.validate()
}

func (c *config) validate() error {
	var errs []error
	fault := func(format string, args ...any) { errs = append(errs, fmt.Errorf("demo: "+format, args...)) }
	switch kinds := c.kinds(); {
	case c.store == redisKind && c.redis == "":
		fault("-store %q: say where it is with -redis", c.store)
	case !slices.Contains(kinds, c.store):
		fault("-store %q: want one of %s", c.store, strings.Join(kinds, ", "))
	}
	if c.store == memory && c.db != "" {
		fault("-db keeps nothing with -store memory: add -store sqlite or -store cookie")
	}
	if c.accessTTL != 0 && c.accessTTL < time.Second {
		fault("-access-ttl %v: want a second or more, since answers tell whole seconds", c.accessTTL)
	}
	if c.trouble.latency < 0 || c.trouble.errors < 0 || c.trouble.errors > 1 {
		fault("-provider-latency %v, -provider-errors %v: want a duration, and a share from 0 to 1", c.trouble.latency, c.trouble.errors)
	}
	if c.replicas < 0 || c.replicas > maxReplicas {
		fault("-replicas %d: want 1 to %d", c.replicas, maxReplicas)
	}
	if c.replicas > 0 && (c.insecureBind || c.tour) {
		fault("-replicas goes with neither -insecure-bind nor -tour")
	}
	if c.isReplica() && (c.frontURL == "" || c.frontedURL == "") {
		fault("-replica is for processes that -replicas starts")
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
