package vfs

// NameMax is the longest name of one component, in bytes, without its NUL (NAME_MAX).
const NameMax = 255

// Name is one component of a path: no slash, not empty, at most NameMax bytes, any encoding. It lies in the op's memory and a
// NUL follows it (cap > len), so that Ptr is a C string without a copy. Copy it to keep it past the method's return.
type Name []byte

// MakeName makes a Name of its own memory. For tests and set-up, not for the fast path.
func MakeName(s string) Name { return Name(append([]byte(s), 0))[:len(s)] }

// Ptr is the name as a C string.
func (n Name) Ptr() *byte { return &n[:len(n)+1][0] }

// Dots says whether the name is "." or "..".
func (n Name) Dots() bool {
	return len(n) == 1 && n[0] == '.' || len(n) == 2 && n[0] == '.' && n[1] == '.'
}
