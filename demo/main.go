// The demo is tokenkeep in one offline process: a provider that speaks the dialects of five real systems, a partner
// app that signs people in there (Gin), and the same guard around plain net/http.
//
//	go run ./demo              # then open http://127.0.0.1:8080
//	go run ./demo -tour        # walks every flow over real HTTP, prints it, and checks it
//	go run ./demo -replicas 3  # the app as three processes behind one address
//
// It listens on loopback only, over plain http and with known passwords: copy its structure, not those three.
package main

import "github.com/tokenkeep/tokenkeep/demo/app"

func main() { app.Main() }
