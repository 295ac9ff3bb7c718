package docs

import (
	"bytes"
	"flag"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the exported names to api/")

// budgets is how many names a package may export, a group of constants of one type counting once. A number that grows
// needs its reason in the commit.
var budgets = map[string]int{
	"store": 17, "store/keeper": 18, "store/storetest": 3, "middleware": 18, "middleware/ginauth": 3, "grants": 40,
	"stores/memstore": 5, "stores/gormstore": 5, "stores/sqlitestore": 5, "stores/redisstore": 5,
	"stores/cookiestore": 6, // three ways to coordinate replicas, each named, beside New, Store and Options
}

func TestExportedNames(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, pkg := range packages(t) {
		got, names := exported(t, pkg)
		file := filepath.Join("api", strings.ReplaceAll(pkg, "/", "_")+".txt")
		listed[file] = true
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || string(want) != got {
			t.Errorf("%s: the exported names differ from %s (%v); if that is meant: go test ./demo/docs -update", pkg, file, err)
		}
		if budget, ok := budgets[pkg]; ok && names > budget {
			t.Errorf("%s exports %d names, its budget is %d", pkg, names, budget)
		}
	}
	files, err := filepath.Glob("api/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !listed[f] {
			t.Errorf("%s is of no package", f)
		}
	}
}

// packages are the folders that users import.
func packages(t *testing.T) []string {
	t.Helper()
	root := filepath.Join("..", "..")
	var all []string
	for _, room := range []string{"store", "stores", "grants", "middleware"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			if d.Name() == "internal" || d.Name() == "testdata" {
				return fs.SkipDir
			}
			if p, err := build.ImportDir(path, 0); err == nil && len(p.GoFiles)+len(p.CgoFiles) > 0 {
				rel, err := filepath.Rel(root, path)
				all = append(all, filepath.ToSlash(rel))
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// exported renders what pkg exports, without comments, and counts its names.
func exported(t *testing.T, pkg string) (text string, names int) {
	t.Helper()
	dir := filepath.Join("..", "..", filepath.FromSlash(pkg))
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range slices.Concat(p.GoFiles, p.CgoFiles) {
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	d, err := doc.NewFromFiles(fset, files, pkg)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	show := func(node ast.Node) {
		var one bytes.Buffer
		if err := (&printer.Config{Mode: printer.UseSpaces, Tabwidth: 4}).Fprint(&one, fset, node); err != nil {
			t.Fatal(err)
		}
		b.WriteString(one.String() + "\n")
	}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			show(v.Decl)
		}
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			show(f.Decl)
		}
	}
	values(d.Consts)
	values(d.Vars)
	funcs(d.Funcs)
	names = len(d.Funcs)
	for _, v := range slices.Concat(d.Consts, d.Vars) {
		names += count(v)
	}
	for _, ty := range d.Types {
		b.WriteString("\n")
		show(ty.Decl)
		values(ty.Consts)
		values(ty.Vars)
		funcs(ty.Funcs)
		funcs(ty.Methods)
		names += 1 + len(ty.Funcs) + len(ty.Consts)
		for _, v := range ty.Vars {
			names += len(v.Names)
		}
	}
	return b.String(), names
}

// count: untyped constants of one group are one list of words; variables count one by one.
func count(v *doc.Value) int {
	if v.Decl.Tok == token.CONST {
		return 1
	}
	return len(v.Names)
}
