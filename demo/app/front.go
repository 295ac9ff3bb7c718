package app

import (
	"context"
	"net/http"
)

type front struct{}

func newFront(*demo) (*front, error)                          { return &front{}, nil }
func (f *front) ServeHTTP(http.ResponseWriter, *http.Request) {}
func (f *front) close(context.Context) error                  { return nil }
