// Command credentials keeps files with short-lived credentials fresh, next to a researcher's notebook or as the parent
// of a server.
//
// It logs in to Vault with the pod's service account, fetches what its configuration names, writes the files, extends
// or replaces each credential before it ends, and gives everything back when it stops. No secret stands in its
// configuration, its log, its status file or on a command line.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"strings"
)

// Exit statuses of the program itself; with a child it ends with the child's.
const (
	exitFailed        = 1
	exitConfiguration = 2
)

// garbagePercent trades processor time, of which an idle agent has plenty, for resident memory.
const garbagePercent = 25

func main() {
	debug.SetGCPercent(garbagePercent)
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil)))
	path := flag.String("config", "", "file that says what to fetch and what to write (YAML or JSON)")
	flag.Parse()
	settings, err := load(*path, flag.Args())
	if err != nil {
		fmt.Fprintf(os.Stderr, "credentials: %v\n", err)
		os.Exit(exitConfiguration)
	}
	environment := os.Environ()
	forgetVaultVariables(environment)
	os.Exit(newSupervisor(settings, flag.Args(), environment).run())
}

// forgetVaultVariables keeps Vault's client library from taking an address or a token from variables that are meant
// for the child.
func forgetVaultVariables(environment []string) {
	for _, variable := range environment {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "VAULT_") {
			os.Unsetenv(name)
		}
	}
}

// fatal is an error that waiting does not mend.
type fatal struct{ error }

func isFatal(err error) bool {
	var target fatal
	return errors.As(err, &target)
}
