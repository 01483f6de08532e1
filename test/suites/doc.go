// Package suites holds tests that others have written for file systems, run on real mounts over every transport: the
// POSIX suite pjdfstest, go-fuse's posixtest, and git. What a test may skip, it skips on the backing file system too: each suite
// runs there first, and the two runs are compared.
//
// The scripts beside the tests put more load on a mount and are started by hand (make stress).
package suites
