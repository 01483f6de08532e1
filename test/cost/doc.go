// Package cost measures what the daemon takes besides time: heap allocations for each request, and memory and descriptors for
// each file that its client knows.
package cost
