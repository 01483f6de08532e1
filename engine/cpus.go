//go:build linux

package engine

import (
	"math"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// affinity is the CPUs that the process may run on, in order.
func affinity() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, err
	}
	var cpus []int
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// pin keeps the calling thread on one CPU.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return unix.SchedSetaffinity(0, &set)
}

// cpuQuota is how many CPUs the process's cgroup may use, rounded up; MaxInt: no limit.
func cpuQuota() int {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return math.MaxInt
	}
	least := math.MaxInt
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		for dir := path.Clean("/" + f[2]); ; dir = path.Dir(dir) { // a parent's limit holds too
			if f[1] == "" {
				least = min(least, quota("/sys/fs/cgroup"+dir+"/cpu.max", ""))
			} else if strings.Contains(","+f[1]+",", ",cpu,") {
				base := "/sys/fs/cgroup/" + f[1] + dir
				least = min(least, quota(base+"/cpu.cfs_quota_us", base+"/cpu.cfs_period_us"))
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}

// quota reads a limit: "QUOTA PERIOD" in one file, or in two.
func quota(file, period string) int {
	text, err := os.ReadFile(file)
	if err == nil && period != "" {
		var p []byte
		p, err = os.ReadFile(period)
		text = append(append(text, ' '), p...)
	}
	if err != nil {
		return math.MaxInt
	}
	return parseQuota(string(text))
}

func parseQuota(text string) int {
	f := strings.Fields(text)
	if len(f) != 2 {
		return math.MaxInt
	}
	q, err1 := strconv.ParseInt(f[0], 10, 64)
	p, err2 := strconv.ParseInt(f[1], 10, 64)
	if err1 != nil || err2 != nil || q <= 0 || p <= 0 {
		return math.MaxInt // "max", or -1
	}
	return int((q + p - 1) / p)
}
