//go:build !windows

package app

// hasModes tells that a file's mode says who may read it.
const hasModes = true
