package vm

import (
	"fmt"
	"os"
	"syscall"
	"time"
)

// restartDelay keeps a process that can't start from taking the machine's CPU.
const restartDelay = time.Second

type supervised struct {
	Process
	logDir string
}

func (s *supervised) start() (pid int, err error) {
	log, err := os.OpenFile(fmt.Sprintf("%s/%s.log", s.logDir, s.Name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer log.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close()
	// This is not os.StartProcess, whose wait would race with reap's.
	pid, err = syscall.ForkExec(s.Args[0], s.Args, &syscall.ProcAttr{
		Dir: s.Dir, Env: s.Env, Files: []uintptr{null.Fd(), log.Fd(), log.Fd()},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return 0, fmt.Errorf("starting %s (%s): %w", s.Name, s.Args[0], err)
	}
	return pid, nil
}

func (s *supervised) again(restart chan<- *supervised) {
	time.AfterFunc(restartDelay, func() { restart <- s })
}

func pause() { time.Sleep(restartDelay / 10) }
