// Package archtest holds no code: its tests check the shape of the module, as docs/architecture.md draws it. Which room imports which, that
// nothing needs cgo, that each dependency has its reason in docs/dependencies.md, and how long a file may get.
package archtest
