package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"example.com/grpc-edge/bench/machine"
)

// version is how all of them write theirs.
var version = regexp.MustCompile(`\d+\.\d+\.\d+`)

// stopLimit is how long a proxy has to end by itself.
const stopLimit = 10 * time.Second

// Process is a proxy that runs.
type Process struct {
	// Address takes TLS from clients.
	Address string
	machine.Tree

	cmd    *exec.Cmd
	exited chan struct{} // closed when it has ended, with how in err
	err    error
	log    bytes.Buffer // read only after exited
}

// Start runs the proxy on the CPUs. What it writes to stdout, which for some is
// their access log, goes to /dev/null.
func (p Proxy) Start(s Setting, cpus machine.CPUs) (*Process, error) {
	s.Workers = cpus.Count()
	if err := freePorts(&s.Port, &s.OtherPorts[0], &s.OtherPorts[1], &s.OtherPorts[2]); err != nil {
		return nil, err
	}
	if err := p.prepare(s); err != nil {
		return nil, fmt.Errorf("writing the configuration of %s: %w", p.Key, err)
	}
	cmd, err := p.binary.command(p.args(s)...)
	if err != nil {
		return nil, err
	}
	process := &Process{Address: fmt.Sprintf("127.0.0.1:%d", s.Port), cmd: cmd, exited: make(chan struct{})}
	cmd.Stderr = &process.log
	cmd.WaitDelay = stopLimit
	// A group of its own takes no Ctrl-C, and can be ended with all its processes.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := machine.StartOn(cpus, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Key, err)
	}
	process.Tree = machine.Tree{Root: cmd.Process.Pid}
	go func() {
		process.err = cmd.Wait()
		close(process.exited)
	}()
	return process, nil
}

func (p Proxy) prepare(s Setting) error {
	files, err := p.files(s)
	if err != nil {
		return err
	}
	files["tls.crt"], files["tls.key"] = s.Identity.certificate, s.Identity.key
	files["tls.pem"] = s.Identity.certificate + s.Identity.key
	var errs []error
	for name, content := range files {
		errs = append(errs, os.WriteFile(filepath.Join(s.Dir, name), []byte(content), 0o600))
	}
	return errors.Join(errs...)
}

// Ended is the error of a proxy that is not running any more, with its log, and
// nil for one that is.
func (p *Process) Ended() error {
	select {
	case <-p.exited:
		return fmt.Errorf("the proxy ended on its own: %w\n%s", p.err, p.log.String())
	default:
		return nil
	}
}

// Stop ends the proxy with all its processes, and returns its log. It is an error if it had ended before.
func (p *Process) Stop() (log string, err error) {
	if err := p.Ended(); err != nil {
		return "", err
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
	}
	// Also what a main process left behind.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	return p.log.String(), nil
}

// Ports from 10000 on and below 32768, from where Linux gives connections theirs
// (ip_local_port_range): a connection of the load may not take one before the proxy does.
const firstPort, endPort = 10000, 32768

// freePorts finds ports that nobody uses.
func freePorts(ports ...*int) error {
	next := firstPort + rand.IntN(endPort-firstPort-1000)
	for _, port := range ports {
		for ; ; next++ {
			listener, err := net.Listen("tcp4", fmt.Sprintf(":%d", next))
			if err == nil {
				*port = next
				next++
				if err := listener.Close(); err != nil {
					return fmt.Errorf("looking for a free port: %w", err)
				}
				break
			}
			if !errors.Is(err, syscall.EADDRINUSE) || next >= endPort {
				return fmt.Errorf("looking for a free port: %w", err)
			}
		}
	}
	return nil
}
