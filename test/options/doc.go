// Package options tests what `fastfsd mount` can be told, on real mounts, by what a program on the mount or on the host
// sees of it. That each option reaches its package at all is tested beside the command line.
package options
