package bench

import "fmt"

// Host is the machine that a report comes from.
type Host struct {
	Kernel string `json:"kernel"`
	CPU    string `json:"cpu"`
	CPUs   int    `json:"cpus"`
	Load   string `json:"load"` // averages at the start: who else was there
	Costs
}

func (h Host) String() string {
	return fmt.Sprintf("machine: %s, %d CPUs, Linux %s; system call %.0f ns, pipe round trip %.1f µs on one CPU, %.1f µs across; load %s",
		h.CPU, h.CPUs, h.Kernel, h.Syscall, h.WakeSame/1e3, h.WakeCross/1e3, h.Load)
}
