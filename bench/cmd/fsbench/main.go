// Command fsbench measures fastfsd against a peer and its transports against each other, and prints a table. See package bench.
//
//	fsbench -list                     names of the rows
//	fsbench -rows '^storm' -pairs 15  some of them
//	fsbench -virtiofsd /usr/libexec/virtiofsd   the device for virtual machines instead
//
// Exit codes: 0 all rows have run, whatever their verdict; 1 a row failed; 2 wrong arguments.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/fastfsd/fastfsd/bench"
)

func main() {
	bench.Role()
	os.Exit(run())
}

func run() int {
	o := bench.Options{Progress: os.Stderr}
	flag.StringVar(&o.Daemon, "fastfsd", beside("fastfsd"), "the daemon")
	flag.StringVar(&o.Gofuse, "go-fuse", beside("peer-gofuse"), "the peer, built from bench/peers/gofuse")
	flag.IntVar(&o.Pairs, "pairs", 15, "pairs of runs for each row")
	flag.DurationVar(&o.Time, "time", 250*time.Millisecond, "length of one run")
	flag.BoolVar(&o.AA, "aa", true, "run the first server against itself too, for the spread")
	flag.Uint64Var(&o.Seed, "seed", 1, "of the bootstrap")
	peer := flag.String("virtiofsd", "", "this virtiofsd, and the rows guest-* through a driver instead of mounts")
	pattern := flag.String("rows", "", "regular expression of the rows' names")
	list := flag.Bool("list", false, "print the rows' names")
	out := flag.String("json", "", "file for the report with every run")
	flag.Parse()
	re, err := regexp.Compile(*pattern)
	if err != nil || flag.NArg() > 0 || o.Pairs < 1 || o.Time <= 0 {
		fmt.Fprintln(os.Stderr, "fsbench: wrong arguments:", err, flag.Args())
		return 2
	}
	var rows []bench.Row
	for _, r := range bench.Rows() {
		if re.MatchString(r.Name) {
			rows = append(rows, r)
		}
	}
	if *list {
		for _, r := range rows {
			fmt.Println(r.Name)
		}
		return 0
	}
	var rep *bench.Report
	if *peer != "" {
		rep, err = bench.Guests(*peer, re.MatchString, o)
	} else {
		rep, err = bench.Run(rows, o)
	}
	if rep != nil {
		err = errors.Join(err, rep.Write(os.Stdout), save(*out, rep))
		for _, l := range rep.Lines {
			if l.Err != "" {
				err = errors.Join(err, fmt.Errorf("%s: %s", l.Row, l.Err))
			}
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fsbench:", err)
		return 1
	}
	return 0
}

// beside is the path of a program in this one's folder.
func beside(name string) string {
	exe, err := os.Executable()
	if err != nil {
		return name
	}
	return filepath.Join(filepath.Dir(exe), name)
}

func save(path string, rep *bench.Report) error {
	if path == "" {
		return nil
	}
	b, err := json.MarshalIndent(rep, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(b, '\n'), 0o644)
}
