package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"
)

// endpoint is one half of the demo: where it listens, and its server.
type endpoint struct {
	url       string // where browsers find it: always loopback
	listeners []net.Listener
	server    *http.Server
}

// listen opens addr. Beyond loopback it opens loopback too: the pages, cookies and redirects of a demo without TLS work
// there only.
func listen(name, addr string) (*endpoint, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, listenError(name, addr, err)
	}
	e := &endpoint{listeners: []net.Listener{ln}}
	at, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return nil, errors.Join(fmt.Errorf("demo: -%s %s is no TCP address", name, addr), ln.Close())
	}
	host := at.IP.String()
	if !at.IP.IsLoopback() {
		host = "127.0.0.1"
	}
	local := net.JoinHostPort(host, strconv.Itoa(at.Port))
	if !at.IP.IsLoopback() && !at.IP.IsUnspecified() {
		ln, err := net.Listen("tcp", local)
		if err != nil {
			return nil, errors.Join(listenError(name, local, err), e.close())
		}
		e.listeners = append(e.listeners, ln)
	}
	e.url = "http://" + local
	return e, nil
}

func listenError(name, addr string, err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("demo: %s is busy: another program listens there; choose another address with -%s", addr, name)
	}
	return fmt.Errorf("demo: -%s: %w", name, err)
}

// serve answers with h until close or shutdown; what ends it otherwise goes to failed.
func (e *endpoint) serve(h http.Handler, logs io.Writer, failed chan<- error) {
	e.server = &http.Server{
		Handler: h, ErrorLog: log.New(logs, "http: ", log.LstdFlags),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10,
	}
	for _, ln := range e.listeners {
		go func() {
			if err := e.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				select {
				case failed <- fmt.Errorf("demo: serving %s: %w", e.url, err):
				default: // one is reported already
				}
			}
		}()
	}
}

// shutdown waits for the requests under way.
func (e *endpoint) shutdown(ctx context.Context) error {
	if e.server == nil {
		return e.close()
	}
	if err := e.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("demo: stopping %s: %w", e.url, err), e.server.Close())
	}
	if err := e.close(); !errors.Is(err, net.ErrClosed) {
		return err // a listener that Serve had not taken up yet is not closed by Shutdown
	}
	return nil
}

func (e *endpoint) close() error {
	var errs []error
	for _, ln := range e.listeners {
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}
