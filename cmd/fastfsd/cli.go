package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/fastfsd/fastfsd/internal/config"
)

// grammar is the command line.
type grammar struct {
	Mount   mountArgs `cmd:"" help:"Serve the directory SRC at the mount point MNT."`
	Serve   serveArgs `cmd:"" help:"Serve directories to virtual machines, as vhost-user-fs devices."`
	Version struct{}  `cmd:"" help:"Say what this is."`
	Help    helpArgs  `cmd:"" help:"List commands, or one command's options."`
}

type mountArgs struct {
	Source string `arg:"" name:"src" help:"Directory to serve, or a file for a mount point that is a file."`
	Point  string `arg:"" name:"mnt" help:"Mount point; /dev/fd/N for a /dev/fuse that is mounted already."`
	config.Mount
}

type serveArgs struct{ config.Serve }

type helpArgs struct {
	Command string `arg:"" optional:"" help:"Command to explain."`
}

// invocation is a parsed command line.
type invocation struct {
	command string // "mount", "serve", "version" or "" for help, which was printed
	mount   mountArgs
	serve   serveArgs
	args    []string // what the process was given, for a start in the background
}

// usageError is a mistake of the user: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

var commands = []string{"mount", "serve", "version", "help"}

// normalize makes "mount --daemon" explicit where mount(8) calls us.
func normalize(args []string) []string {
	rest := args[1:]
	helper := calledAsHelper(args[0])
	if !helper && (len(rest) == 0 || slices.Contains(commands, rest[0]) || rest[0] == "--help" || rest[0] == "-h") {
		return rest
	}
	rest = withoutType(rest)
	if slices.Contains(rest, "-f") || slices.Contains(rest, "--foreground") {
		return append([]string{"mount"}, rest...)
	}
	return append([]string{"mount", "--daemon"}, rest...)
}

// withoutType drops what mount(8) hands to its helpers beyond -o: -t TYPE, -n, -s, -v.
func withoutType(args []string) []string {
	var out []string
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-t":
			i++
		case "-n", "-s", "-v":
		default:
			out = append(out, args[i])
		}
	}
	return out
}

// parse reads the command line and the configuration file.
func parse(args []string, stdout io.Writer) (*invocation, error) {
	rest := normalize(args)
	if len(rest) == 0 {
		rest = []string{"--help"}
	}
	g, cmd, exited, err := parseOnce(rest, nil, stdout)
	if err != nil || exited {
		return &invocation{}, err
	}
	inv := &invocation{args: rest, command: strings.Fields(cmd)[0]}
	switch inv.command {
	case "help":
		inv.command = ""
		more := []string{"--help"}
		if g.Help.Command != "" {
			more = []string{g.Help.Command, "--help"}
		}
		_, _, _, err = parseOnce(more, nil, stdout)
	case "mount":
		inv.mount, err = parseMount(rest, g, stdout)
	case "serve":
		inv.serve, err = parseServe(rest, g, stdout)
	}
	return inv, err
}

// parseMount parses again with the -o lists as flags and the configuration file behind them.
func parseMount(args []string, g *grammar, stdout io.Writer) (mountArgs, error) {
	more, err := config.Args(g.Mount.Options)
	if err != nil {
		return mountArgs{}, &usageError{err}
	}
	// before the user's own flags: what is written as a flag wins over a list, and a -- ends what can be added behind
	args = slices.Concat(args[:1], more, args[1:])
	g, _, _, err = parseOnce(args, nil, stdout)
	if err != nil {
		return mountArgs{}, err
	}
	if g.Mount.Config != "" {
		g, err = withFile[config.Mount](args, g.Mount.Config, stdout)
	}
	return g.Mount, err
}

// parseServe parses again with the configuration file behind the flags.
func parseServe(args []string, g *grammar, stdout io.Writer) (_ serveArgs, err error) {
	if g.Serve.Config != "" {
		g, err = withFile[config.Serve](args, g.Serve.Config, stdout)
	}
	return g.Serve, err
}

// withFile parses with a file of settings T behind the flags.
func withFile[T any](args []string, path string, stdout io.Writer) (*grammar, error) {
	file, err := config.Load[T](path)
	if err != nil {
		return &grammar{}, &usageError{err}
	}
	g, _, _, err := parseOnce(args, file, stdout)
	if err != nil {
		return &grammar{}, err
	}
	return g, nil
}

// parseOnce runs kong. exited: help was printed.
func parseOnce(args []string, file config.File, stdout io.Writer) (g *grammar, cmd string, exited bool, err error) {
	g = &grammar{}
	k, err := kong.New(g,
		kong.Name("fastfsd"),
		kong.Description("A file server that serves a file system to Linux through /dev/fuse and to virtual machines."),
		kong.Writers(stdout, stdout),
		kong.Exit(func(int) { exited = true }),
		kong.Resolvers(fileResolver(file)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, NoExpandSubcommands: true}),
	)
	if err != nil {
		return nil, "", false, fmt.Errorf("command line grammar: %w", err)
	}
	ctx, err := k.Parse(args)
	if exited {
		return g, "", true, nil
	}
	if err != nil {
		return nil, "", false, &usageError{fmt.Errorf("%w; `fastfsd help mount` lists the options", err)}
	}
	return g, ctx.Command(), false, nil
}

// fileResolver gives kong the file's values for flags that were not said.
func fileResolver(file config.File) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
		if v, ok := file[f.Name]; ok {
			return v, nil
		}
		return nil, nil
	})
}
