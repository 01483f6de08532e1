// Package vring serves a virtual machine: the device side of a vhost-user-fs device, which takes FUSE requests from
// virtqueues in the guest's memory. The guest is hostile and its memory changes under us: each value is loaded once, then
// checked, then used.
package vring
