// Package docs holds what keeps the documentation true: each package's exported names are compared with a file, so
// growth is a reviewed change, and what the documents promise in code is compiled.
package docs
