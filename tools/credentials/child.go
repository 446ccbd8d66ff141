package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// changeTimeout bounds a command that is told of a change.
const changeTimeout = 30 * time.Second

// signalledStatus is what a shell adds to the number of the signal that ended a process.
const signalledStatus = 128

// child is the process that depends on the files, if there is one, and whoever else is told of a change.
type child struct {
	command   []string
	inherited []string
	settings  childConfig
	change    changeConfig
	reaper    *reaper
	exited    chan int

	mutex       sync.Mutex
	process     *os.Process
	gone        chan struct{}
	code        int
	stopping    bool
	environment []string
}

func newChild(settings *config, command, inherited []string) *child {
	return &child{
		command: command, inherited: inherited, settings: settings.Child, change: settings.OnChange,
		reaper: newReaper(), exited: make(chan int, 1),
	}
}

// follow brings the child in line with new files and variables: it starts it, restarts it if its environment changed,
// or tells of changed files.
func (c *child) follow(ctx context.Context, environment []string, changed bool) error {
	switch {
	case len(c.command) > 0 && c.process == nil:
		return c.start(environment)
	case !slices.Equal(environment, c.environment):
		return c.restart(ctx, environment)
	case changed:
		c.tell(ctx)
	}
	return nil
}

func (c *child) start(environment []string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	command := exec.Command(c.command[0], c.command[1:]...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	command.Env = slices.Concat(c.inherited, environment)
	if err := c.reaper.start(command); err != nil {
		return fatal{fmt.Errorf("the command cannot be started: %w", err)}
	}
	c.process, c.environment, c.stopping = command.Process, environment, false
	c.gone = make(chan struct{})
	go c.wait(command, c.gone)
	return nil
}

func (c *child) wait(command *exec.Cmd, gone chan struct{}) {
	c.reaper.wait(command)
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.code = exitCode(command.ProcessState)
	close(gone)
	if !c.stopping {
		c.exited <- c.code
	}
}

func exitCode(state *os.ProcessState) int {
	if status := state.Sys().(syscall.WaitStatus); status.Signaled() {
		return signalledStatus + int(status.Signal())
	}
	return state.ExitCode()
}

// stop ends the child, if there is one, and returns its exit status.
func (c *child) stop(signal syscall.Signal) int {
	c.mutex.Lock()
	process, gone := c.process, c.gone
	c.stopping = true
	c.mutex.Unlock()
	if process == nil {
		return 0
	}
	process.Signal(either(c.settings.Stop.number, signal))
	select {
	case <-gone:
	case <-time.After(time.Duration(c.settings.Grace)):
		slog.Warn("the child did not stop in time and is killed", "grace", time.Duration(c.settings.Grace))
		process.Kill()
		<-gone
	}
	return c.code
}

func (c *child) restart(ctx context.Context, environment []string) error {
	slog.Info("the child is restarted: its environment has changed")
	c.stop(syscall.SIGTERM)
	if ctx.Err() != nil {
		return nil
	}
	return c.start(environment)
}

// forward passes a signal on.
func (c *child) forward(signal os.Signal) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.process != nil {
		c.process.Signal(signal)
	}
}

// tell says that files have changed, as configured. Whoever cannot be told will see the files; that is no reason to
// stop keeping them.
func (c *child) tell(ctx context.Context) {
	if c.change.Signal.number != 0 {
		c.forward(c.change.Signal.number)
	}
	if len(c.change.Command) > 0 {
		if err := c.run(ctx); err != nil {
			slog.Warn("on_change.command failed", "error", err)
		}
	}
}

func (c *child) run(ctx context.Context) error {
	ctx, stop := context.WithTimeout(ctx, changeTimeout)
	defer stop()
	command := exec.CommandContext(ctx, c.change.Command[0], c.change.Command[1:]...)
	command.Stdout, command.Stderr, command.Env = os.Stderr, os.Stderr, c.inherited
	return errors.Join(c.reaper.start(command), c.reaper.wait(command))
}
