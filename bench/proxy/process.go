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

	"example.com/grpc-edge/measure/machine"
)

// version matches the version in the output of every proxy.
var version = regexp.MustCompile(`\d+\.\d+\.\d+`)

// stopLimit bounds a proxy's graceful stop.
const stopLimit = 10 * time.Second

// Process is a running proxy.
type Process struct {
	// Address is the host:port for clients, with TLS.
	Address string
	machine.Tree

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process has ended and err is set
	err    error
	log    bytes.Buffer // read only after exited
}

// Start starts the proxy on the CPUs. Its stdout, which for some is the access log, goes to
// /dev/null.
func (p Proxy) Start(s Setting, cpus machine.CPUs) (*Process, error) {
	s.Workers = len(cpus)
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
	// In a process group of its own it gets no Ctrl-C, and Stop can kill the whole group.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := machine.StartOn(cpus, cmd); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.Key, err)
	}
	process.Tree = machine.Tree{Root: machine.Process(cmd.Process.Pid)}
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

// Ended returns an error with the log if the proxy has ended, and nil while it runs.
func (p *Process) Ended() error {
	select {
	case <-p.exited:
		return fmt.Errorf("the proxy ended on its own: %w\n%s", p.err, p.log.String())
	default:
		return nil
	}
}

// Stop stops the proxy with all its processes, and returns its log. It fails if the proxy
// had ended before.
func (p *Process) Stop() (log string, err error) {
	if err := p.Ended(); err != nil {
		return "", err
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
	case <-time.After(stopLimit):
	}
	// This also ends processes that a main process left behind.
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.exited
	return p.log.String(), nil
}

// firstPort and endPort bound the ports of proxies. From 32768 on, Linux takes ports for
// outgoing connections (ip_local_port_range). So no connection of the load can take a port
// before the proxy does.
const firstPort, endPort = 10000, 32768

// freePorts finds free ports.
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
