package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// remote is the client process.
type remote struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	enc *json.Encoder
	dec *json.Decoder
}

func startClient() (*remote, error) {
	cmd := exec.Command("/proc/self/exe")
	// a preemption signal would interrupt requests
	cmd.Env = append(os.Environ(), RoleEnv+"="+roleClient, "GODEBUG=asyncpreemptoff=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	return &remote{cmd, in, json.NewEncoder(in), json.NewDecoder(out)}, nil
}

// jobLimit is how long a job may take beyond its time before its mount is aborted.
const jobLimit = 60 * time.Second

// do has the client do a job. A job that does not end is ended by abort, which makes its requests fail.
func (c *remote) do(j Job, abort func()) (Result, error) {
	timer := time.AfterFunc(j.Time+jobLimit, abort)
	defer timer.Stop()
	var r Result
	if err := c.enc.Encode(j); err != nil {
		return r, fmt.Errorf("client: %w", err)
	}
	if err := c.dec.Decode(&r); err != nil {
		return r, fmt.Errorf("client: %w", err)
	}
	if r.Err != "" {
		return r, errors.New(r.Err)
	}
	return r, nil
}

// stop ends the client. Preconditions: no job is running.
func (c *remote) stop() error {
	c.in.Close()
	return c.cmd.Wait()
}
