package ginauth_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
)

type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkMount puts the guard in Gin beside the guard in net/http; what is left between the two is Gin's own context.
func BenchmarkMount(b *testing.B) {
	guard, _ := newGuard(b)
	router := gin.New()
	router.GET("/me", ginauth.Require(guard, "read"), func(*gin.Context) {})
	bare := gin.New()
	bare.GET("/me", func(*gin.Context) {})
	r, err := http.NewRequest(http.MethodGet, "/me", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer both")
	for _, bench := range []struct {
		name string
		h    http.Handler
	}{
		{"net/http", guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))}, {"gin", router}, {"gin without guard", bare},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			w := discard{http.Header{}}
			for b.Loop() {
				bench.h.ServeHTTP(w, r)
			}
		})
	}
}
