package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// passed are the signals that go to the child; INT and TERM end the agent too.
var passed = []os.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
	syscall.SIGCONT,
}

// supervisor runs agent and child together and ends them in order.
type supervisor struct {
	agent *agent
	child *child
}

func newSupervisor(settings *config, command, environment []string) *supervisor {
	started := newChild(settings, command, environment)
	return &supervisor{agent: newAgent(settings, started), child: started}
}

// run works until a signal or the end of the child, and returns the exit status.
func (s *supervisor) run() int {
	signals := make(chan os.Signal, len(passed))
	signal.Notify(signals, passed...)
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() { failed <- s.agent.keep(ctx) }()
	for {
		select {
		case got := <-signals:
			if got != syscall.SIGINT && got != syscall.SIGTERM {
				s.child.forward(got)
				continue
			}
			cancel()
			<-failed
			return s.end(got.(syscall.Signal))
		case code := <-s.child.exited:
			cancel()
			<-failed
			s.agent.leave()
			return code
		case err := <-failed:
			cancel()
			slog.Error("the agent cannot go on", "error", err)
			s.end(syscall.SIGTERM)
			return exitFailed
		}
	}
}

// end stops the child first: it may need its credentials to the last.
func (s *supervisor) end(signal syscall.Signal) int {
	code := s.child.stop(signal)
	s.agent.leave()
	return code
}
