package docs

import (
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A package opens with a program, documents every exported name, and shows itself in an example that is run.
func TestEveryNameIsDocumented(t *testing.T) {
	t.Parallel()
	for _, pkg := range packages(t) {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			d, examples := documented(t, pkg)
			if !strings.Contains(d.Doc, "\n\t") {
				t.Errorf("the package comment shows no program")
			}
			if why, ok := silent[pkg]; ok {
				t.Logf("no example with an output: %s", why)
			} else if !slices.ContainsFunc(examples, func(e *doc.Example) bool { return e.Output != "" || e.EmptyOutput }) {
				t.Errorf("no example has an output")
			}
			for _, name := range bare(d) {
				t.Errorf("%s has no comment", name)
			}
		})
	}
}

// silent packages cannot run an example of theirs alone.
var silent = map[string]string{
	"store/storetest":  "it needs a *testing.T",
	"stores/gormstore": "it imports no driver, so that its users choose theirs",
}

func documented(t *testing.T, pkg string) (*doc.Package, []*doc.Example) {
	t.Helper()
	dir := filepath.Join("..", "..", filepath.FromSlash(pkg))
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	parse := func(names []string) (files []*ast.File) {
		for _, name := range names {
			f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
		return files
	}
	d, err := doc.NewFromFiles(fset, parse(slices.Concat(p.GoFiles, p.CgoFiles)), pkg)
	if err != nil {
		t.Fatal(err)
	}
	return d, doc.Examples(parse(slices.Concat(p.TestGoFiles, p.XTestGoFiles))...)
}

// bare lists the exported names without a comment; the comment of a group of values is enough for its members.
func bare(d *doc.Package) (names []string) {
	note := func(name, comment string) {
		if strings.TrimSpace(comment) == "" {
			names = append(names, name)
		}
	}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			for _, s := range v.Decl.Specs {
				spec := s.(*ast.ValueSpec)
				note(spec.Names[0].Name, v.Doc+spec.Doc.Text()+spec.Comment.Text())
			}
		}
	}
	values(slices.Concat(d.Consts, d.Vars))
	for _, f := range d.Funcs {
		note(f.Name, f.Doc)
	}
	for _, ty := range d.Types {
		note(ty.Name, ty.Doc)
		values(slices.Concat(ty.Consts, ty.Vars))
		for _, f := range ty.Funcs {
			note(f.Name, f.Doc)
		}
		for _, m := range ty.Methods {
			if !standard[m.Name] {
				note(ty.Name+"."+m.Name, m.Doc)
			}
		}
		for _, s := range ty.Decl.Specs {
			if st, ok := s.(*ast.TypeSpec).Type.(*ast.StructType); ok {
				fields(ty.Name, st, note)
			}
		}
	}
	return names
}

// standard methods say what the interface of the standard library says.
var standard = map[string]bool{"Error": true, "Unwrap": true, "String": true, "GoString": true, "Format": true, "LogValue": true, "MarshalJSON": true, "MarshalText": true, "UnmarshalJSON": true, "UnmarshalText": true}

// fields: a comment covers the fields below it, up to the next comment.
func fields(owner string, st *ast.StructType, note func(name, comment string)) {
	var above string
	for _, f := range st.Fields.List {
		if own := f.Doc.Text() + f.Comment.Text(); own != "" {
			above = own
		}
		for _, n := range f.Names {
			if n.IsExported() {
				note(owner+"."+n.Name, above)
			}
		}
	}
}
