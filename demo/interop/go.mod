module github.com/tokenkeep/tokenkeep/demo/interop

go 1.25.0

require (
	github.com/tokenkeep/tokenkeep v0.0.0
	golang.org/x/oauth2 v0.36.0
)

require github.com/golang-jwt/jwt/v5 v5.3.1 // indirect

replace github.com/tokenkeep/tokenkeep => ../..
