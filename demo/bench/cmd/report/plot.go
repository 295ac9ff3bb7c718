package main

func draw(done []finished) string { return "" }
