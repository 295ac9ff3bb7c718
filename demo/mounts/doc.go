// Package mounts shows the guard in routers other than Gin: the standard library's, chi and Echo, each as an example that
// is compiled and run; and a protected resource that a program finds its way into by itself, as MCP clients do
// (RFC 9728, RFC 8414). It is a module of its own, so that nobody who uses the kit inherits these routers.
//
//	go -C demo/mounts test ./...
//
// There is nothing to adapt: what takes func(http.Handler) http.Handler takes guard.Require. The identity is in the
// request's context, wherever a router keeps its requests.
package mounts
