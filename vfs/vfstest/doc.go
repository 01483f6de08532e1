// Package vfstest is a conformance suite for file systems: [Run] makes real system calls on a mounted directory, [Messages] sends
// single, mostly hostile messages to a connection. Any back-end over any transport can run both.
//
// It imports vfs and abi only.
package vfstest
