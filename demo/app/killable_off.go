//go:build !chaos

package app

// killable says whether the page offers to kill a replica in a storm.
const killable = false
