// Package config is what the daemon can be told, and how: flags, a TOML file with the same names, and -o lists of
// mount(8). A flag wins over the file, the file over the default. It holds values only: cmd/fastfsd turns them into the
// options of the packages, so config imports nothing of this module. Not for concurrent use.
package config
