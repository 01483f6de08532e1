// Package testmount runs the daemon as a process of its own, for tests: it builds the program once, mounts a directory,
// keeps the log, and takes everything down again whatever became of the daemon.
//
// A mount that hangs must never hang the test run. So nothing here touches the mounted tree without a time limit, and a
// mount that does not go away is aborted through /sys/fs/fuse/connections, which needs no answer from anybody.
//
// Everything needs root, /dev/fuse and Linux, and fails without: a test that did not run must not look like one that
// passed. The package is for tests only; it imports nothing of this module, because it drives the program from outside.
package testmount
