package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"

	"github.com/pelletier/go-toml/v2"
)

// File is a parsed TOML file: the text of each key's value, as a flag would have it.
type File map[string]string

// maxFile is the largest configuration file, in bytes.
const maxFile = 1 << 20

// Load reads a file with settings of a command, T. A key that is no setting, or a value of the wrong kind, is an error that names the line.
func Load[T any](path string) (File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("config: %s: larger than 1 MiB", path)
	}
	f, err := Parse[T](b)
	if err != nil {
		return nil, fmt.Errorf("config: %s: %w", path, err)
	}
	return f, nil
}

// Parse is Load of bytes.
func Parse[T any](b []byte) (File, error) {
	dec := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields()
	if err := dec.Decode(new(T)); err != nil {
		return nil, explain(err)
	}
	var raw map[string]any
	if err := toml.Unmarshal(b, &raw); err != nil {
		return nil, explain(err)
	}
	f := File{}
	for k, v := range raw {
		if _, _, ok := lookup(reflect.TypeFor[T](), k); !ok { // the decoder takes keys in any case, flags have one spelling
			return nil, fmt.Errorf("line %d: %s: no such setting; names are lower case", lineOf(b, k), k)
		}
		switch v := v.(type) {
		case string:
			f[k] = v
		case bool:
			f[k] = strconv.FormatBool(v)
		case int64:
			f[k] = strconv.FormatInt(v, 10)
		default:
			return nil, fmt.Errorf("%s: want a string, an integer or true or false", k)
		}
	}
	return f, nil
}

// lineOf is the first line that begins with a key.
func lineOf(b []byte, key string) int {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		if bytes.HasPrefix(bytes.TrimLeft(line, " \t\"'"), []byte(key)) {
			break
		}
	}
	return n
}

// explain puts the line in front.
func explain(err error) error {
	var strict *toml.StrictMissingError
	if errors.As(err, &strict) && len(strict.Errors) > 0 {
		e := &strict.Errors[0]
		row, _ := e.Position()
		return fmt.Errorf("line %d: %v: no such setting; `fastfsd help mount` lists them", row, []string(e.Key()))
	}
	var dec *toml.DecodeError
	if errors.As(err, &dec) {
		row, col := dec.Position()
		return fmt.Errorf("line %d, column %d: %w", row, col, err)
	}
	return err
}
