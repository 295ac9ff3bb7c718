package app

import (
	"embed"
	"strings"
	"sync"
)

// The code beside each panel is cut out of what runs here, between the lines //show:name and //end.
//
//go:embed ways.go partner.go routes.go hub.go stores.go stage.go naive.go device.go
var sources embed.FS

var snippets = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	files, err := sources.ReadDir(".")
	if err != nil {
		return all
	}
	for _, f := range files {
		text, err := sources.ReadFile(f.Name())
		if err == nil {
			cut(string(text), all)
		}
	}
	return all
})

// cut adds what source marks, without the indentation that its first line has.
func cut(source string, to map[string]string) {
	var name, indent string
	for line := range strings.Lines(source) {
		bare := strings.TrimSpace(line)
		switch start, ok := strings.CutPrefix(bare, "//show:"); {
		case ok:
			name, indent = start, line[:len(line)-len(strings.TrimLeft(line, "\t"))]
		case bare == "//end":
			to[name] = strings.Trim(to[name], "\n")
			name = ""
		case name != "":
			to[name] += strings.ReplaceAll(strings.TrimPrefix(line, indent), "\t", "    ")
		}
	}
}
