// Package faults breaks a running daemon, or takes from it what it needs, and looks what its clients see: kill -9 under
// load, no descriptors left, host mounts that come and go, hostile names in the share.
package faults
