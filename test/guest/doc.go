// Package guest serves a share to Linux kernels in virtual machines: scripts/guest.sh boots them, and this package's test binary
// runs in them, as the program that checks the share from inside. What only the host can see is checked outside.
//
// FASTFSD_GUESTS names the Debian suites whose pairs of QEMU and kernel are tried, separated by spaces; bookworm-backports without.
package guest
