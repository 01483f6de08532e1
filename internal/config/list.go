package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Item is one element of an -o list.
type Item struct {
	Key   string
	Value string // valid if Has
	Has   bool   // there was a =
}

// ParseList splits an -o list at its commas. A backslash takes away the meaning of the character after it.
func ParseList(list string) []Item {
	var items []Item
	var cur strings.Builder
	key, has := "", false
	flush := func() {
		it := Item{Key: cur.String()}
		if has {
			it = Item{Key: key, Value: cur.String(), Has: true}
		}
		if it.Has || it.Key != "" {
			items = append(items, it)
		}
		cur.Reset()
		key, has = "", false
	}
	for i := 0; i < len(list); i++ {
		c := list[i]
		switch {
		case c == '\\' && i+1 < len(list):
			i++
			cur.WriteByte(list[i])
		case c == ',':
			flush()
		case c == '=' && !has:
			key, has = cur.String(), true
			cur.Reset()
		default:
			cur.WriteByte(c)
		}
	}
	flush()
	return items
}

// words are list elements with a meaning of their own; "" is ignored: what mount(8) and systemd keep for themselves.
var words = map[string]string{
	"ro": "--readonly", "rw": "--no-readonly",
	"allow_other": "--allow-other", "default_permissions": "--default-permissions",
	"noatime": "--noatime", "atime": "--no-noatime",
	"nodev": "--nodev", "dev": "--no-nodev",
	"nosuid": "--nosuid", "suid": "--no-nosuid",
	"noexec": "--noexec", "exec": "--no-noexec",
	"dirsync": "--dirsync", "sync": "--sync", "async": "--no-sync",
	"auto_unmount": "--auto-unmount",
	"_netdev":      "", "nofail": "", "auto": "", "noauto": "", "user": "", "nouser": "", "users": "", "owner": "", "group": "",
	"defaults": "", "relatime": "", "norelatime": "", "strictatime": "", "nostrictatime": "", "diratime": "", "nodiratime": "",
	"lazytime": "", "nolazytime": "", "silent": "", "loud": "",
}

// once may be said only once: a second one that slips in through a list of somebody else is refused.
var once = []string{"config", "fd", "mount-ns", "fusermount"}

// Args turns -o lists into flags.
func Args(lists []string) ([]string, error) {
	var args []string
	seen := map[string]bool{}
	for _, list := range lists {
		for _, it := range ParseList(list) {
			arg, err := it.flag()
			if err != nil {
				return nil, err
			}
			name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
			if seen[name] && slices.Contains(once, name) {
				return nil, fmt.Errorf("option %s: given twice", it.Key)
			}
			seen[name] = true
			if arg != "" {
				args = append(args, arg)
			}
		}
	}
	return args, nil
}

// flag is the flag of an element, "" for one that is ignored.
func (it Item) flag() (string, error) {
	if strings.HasPrefix(it.Key, "x-") || strings.HasPrefix(it.Key, "X-") || it.Key == "comment" {
		return "", nil
	}
	if arg, ok := words[it.Key]; ok && !it.Has {
		return arg, nil
	}
	name := strings.ReplaceAll(it.Key, "_", "-")
	kind, _, ok := lookup(reflect.TypeFor[Mount](), name)
	if plain, no := strings.CutPrefix(name, "no-"); !ok && no {
		if _, negatable, ok := lookup(reflect.TypeFor[Mount](), plain); ok && negatable && !it.Has {
			return "--" + name, nil
		}
	}
	switch {
	case !ok:
		return "", fmt.Errorf("option %q: unknown; `fastfsd help mount` lists what there is", it.Key)
	case it.Has:
		return "--" + name + "=" + it.Value, nil
	case kind != reflect.Bool:
		return "", fmt.Errorf("option %s: needs a value: %s=…", it.Key, it.Key)
	}
	return "--" + name, nil
}

// lookup finds one of the settings by its long name.
func lookup(settings reflect.Type, name string) (kind reflect.Kind, negatable, ok bool) {
	for _, f := range reflect.VisibleFields(settings) {
		if f.Anonymous {
			continue
		}
		key := f.Tag.Get("toml")
		if key == "-" {
			key = f.Tag.Get("name")
		}
		if key != name || name == "options" {
			continue
		}
		typ := f.Type
		if typ.Kind() == reflect.Pointer {
			typ = typ.Elem()
		}
		_, negatable = f.Tag.Lookup("negatable")
		return typ.Kind(), negatable, true
	}
	return 0, false, false
}
