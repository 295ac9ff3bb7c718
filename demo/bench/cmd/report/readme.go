package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

const (
	readme = "README.md"
	plot   = "growth.svg"
	begin  = "<!-- measured: written by cmd/report, not by hand -->"
	end    = "<!-- end of measured -->"
)

// conditions is what a reader has to know about a run.
func conditions(o measure.Options, took time.Duration) string {
	size := "default sizes"
	switch {
	case o.Full:
		size = "full sizes"
	case o.Quick:
		size = "quick: too few rounds to quote"
	}
	busy := ""
	if b, err := os.ReadFile("/proc/loadavg"); err == nil { // of the last minute: what else the machine had to do
		busy, _, _ = strings.Cut(string(b), " ")
		busy = ", load average " + busy
	}
	return fmt.Sprintf("%s, %s, %s/%s, %d cores%s; %d rounds of %d slices of %v, rows by turns; %s; %s in all.",
		time.Now().UTC().Format("2006-01-02 15:04 MST"), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), busy,
		o.Rounds, o.Passes, o.Slice, size, took.Round(time.Second))
}

// write puts the results between the README's marks, and the plot beside it.
func write(done []finished, o measure.Options, took time.Duration) error {
	old, err := os.ReadFile(readme)
	if err != nil {
		return fmt.Errorf("run this in demo/bench (go -C demo/bench run ./cmd/report): %w", err)
	}
	before, rest, ok1 := strings.Cut(string(old), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		return errors.New(readme + ": the marks are gone")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n\n%s\n", before, begin, conditions(o, took))
	b.WriteString("\nVersions: " + strings.Join(versions(), ", ") + ".\n")
	fmt.Fprintf(&b, "\n![Loads as records grow, and token requests as processes grow](%s)\n", plot)
	b.WriteString("\n## Goals, in this run\n\n| | measured | goal | table |\n|---|--:|---|---|\n")
	b.WriteString(strings.TrimLeft(goalsTable(done, func(c ...string) string { return "| " + strings.Join(c, " | ") + " |\n" }), "\n"))
	for _, f := range done {
		if len(f.tables) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", f.title, f.note)
		for _, results := range f.tables {
			b.WriteString(markdown(results))
		}
	}
	b.WriteString("\n" + end + after)
	return errors.Join(os.WriteFile(readme, []byte(b.String()), 0o644), os.WriteFile(plot, []byte(draw(done)), 0o644))
}

// peers are the modules whose versions matter to a reader.
var peers = []string{
	"alexedwards/scs/v2", "appleboy/gin-jwt", "auth0/go-jwt-middleware", "coreos/go-oidc", "gin-contrib/sessions", "gin-gonic/gin",
	"go-chi/jwtauth", "go-oauth2/oauth2", "golang-jwt/jwt/v5", "gorilla/securecookie", "gorilla/sessions", "jackc/pgx",
	"labstack/echo-jwt", "lestrrat-go/jwx/v3", "markbates/goth", "mattn/go-sqlite3", "modernc.org/sqlite", "ory/fosite", "quasoft/memstore",
	"redis/go-redis", "golang.org/x/oauth2", "gorm.io/gorm", "gorm.io/driver/sqlite",
}

func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var out []string
	for _, d := range info.Deps {
		for _, p := range peers {
			if strings.HasSuffix(d.Path, p) || strings.Contains(d.Path, p+"/v") {
				out = append(out, strings.TrimPrefix(d.Path, "github.com/")+" "+d.Version)
				break
			}
		}
	}
	sort.Strings(out)
	return out
}
