package main

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
)

// reaper takes in orphans where the agent is the first process of a container. The agent's own children are left to
// those who wait for them.
type reaper struct {
	mutex sync.Mutex
	own   map[int]bool
}

func newReaper() *reaper {
	made := &reaper{own: map[int]bool{}}
	if os.Getpid() == 1 {
		go made.watch()
	}
	return made
}

func (r *reaper) start(command *exec.Cmd) error {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if err := command.Start(); err != nil {
		return err
	}
	r.own[command.Process.Pid] = true
	return nil
}

func (r *reaper) wait(command *exec.Cmd) error {
	if command.Process == nil {
		return nil
	}
	err := command.Wait()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	delete(r.own, command.Process.Pid)
	return err
}

func (r *reaper) watch() {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	for range ended {
		r.reap()
	}
}

func (r *reaper) reap() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	statistics, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range statistics {
		text, _ := os.ReadFile(path)
		if pid, zombie := orphan(string(text)); zombie && !r.own[pid] {
			syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
	}
}

// orphan reads /proc/PID/stat: number, name in brackets (which may hold anything), state, parent.
func orphan(statistics string) (int, bool) {
	end := strings.LastIndex(statistics, ")")
	if end < 0 {
		return 0, false
	}
	var pid, parent int
	var state string
	fmt.Sscan(statistics, &pid)
	fmt.Sscan(statistics[end+1:], &state, &parent)
	return pid, state == "Z" && parent == 1
}
