// Command netpol-worker is the client side of cyclonus' batch mode, in one process: where upstream's worker starts `agnhost connect` for
// each of hundreds of requests, this one makes the same connections itself. The servers stay upstream's agnhost, except for SCTP
// on kernels without SCTP sockets, which it can serve itself.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"cloison.local/conformance/netpol-worker/sctp"
	"github.com/mattfenwick/cyclonus/pkg/worker"
	v1 "k8s.io/api/core/v1"
)

const (
	// Upstream's worker tells agnhost to wait this long, and tries each request twice.
	connectTimeout = time.Second
	tries          = 2
	// A policy may forbid DNS; upstream leaves the end of such a look-up to the resolver, which takes ten times longer.
	resolveTimeout = 2 * time.Second
)

func main() {
	jobs := flag.String("jobs", "", "requests to issue, as cyclonus writes them in JSON")
	port := flag.Uint("serve-sctp", 0, "serve SCTP on this port instead")
	flag.Parse()
	if *port != 0 {
		log.Fatal(sctp.Serve(uint16(*port)))
	}
	var batch worker.Batch
	if err := json.Unmarshal([]byte(*jobs), &batch); err != nil {
		log.Fatalf("--jobs: %v", err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(issue(batch.Requests)); err != nil {
		log.Fatal(err)
	}
}

// issue makes all connections at once and returns their results in the order of the requests.
func issue(requests []*worker.Request) []*worker.Result {
	addresses := resolve(requests)
	results := make([]*worker.Result, len(requests))
	var running sync.WaitGroup
	for index, request := range requests {
		running.Add(1)
		go func() {
			defer running.Done()
			results[index] = &worker.Result{Request: request}
			if err := attempt(request, addresses[request.Host]); err != nil {
				results[index].Error = err.Error()
			}
		}()
	}
	running.Wait()
	return results
}

// resolve looks every host up once; one that does not resolve is missing from the answer.
func resolve(requests []*worker.Request) map[string]net.IP {
	var running sync.WaitGroup
	var lock sync.Mutex
	addresses, known := map[string]net.IP{}, map[string]bool{}
	for _, request := range requests {
		if known[request.Host] {
			continue
		}
		known[request.Host] = true
		running.Add(1)
		go func() {
			defer running.Done()
			ctx, cancel := context.WithTimeout(context.Background(), resolveTimeout)
			defer cancel()
			if found, err := net.DefaultResolver.LookupIP(ctx, "ip4", request.Host); err == nil {
				lock.Lock()
				defer lock.Unlock()
				addresses[request.Host] = found[0]
			}
		}()
	}
	running.Wait()
	return addresses
}

func attempt(request *worker.Request, address net.IP) error {
	if address == nil {
		return fmt.Errorf("%s does not resolve", request.Host)
	}
	var failures []error
	for range tries {
		err := connect(request.Protocol, address, request.Port)
		if err == nil {
			return nil
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

func connect(protocol v1.Protocol, address net.IP, port int) error {
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	switch protocol {
	case v1.ProtocolTCP:
		return connectTCP(ctx, &net.TCPAddr{IP: address, Port: port})
	case v1.ProtocolUDP:
		return connectUDP(&net.UDPAddr{IP: address, Port: port})
	case v1.ProtocolSCTP:
		return sctp.Connect(ctx, address, uint16(port))
	}
	return fmt.Errorf("protocol %s is none of TCP, UDP, SCTP", protocol)
}

func connectTCP(ctx context.Context, address *net.TCPAddr) error {
	var dialer net.Dialer
	connection, err := dialer.DialContext(ctx, "tcp4", address.String())
	if err != nil {
		return err
	}
	return connection.Close()
}

// connectUDP asks agnhost's server for its name: only an answer shows that the datagram arrived.
func connectUDP(address *net.UDPAddr) error {
	connection, err := net.DialUDP("udp4", nil, address)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(connectTimeout)); err != nil {
		return err
	}
	if _, err := connection.Write([]byte("hostname\n")); err != nil {
		return err
	}
	_, err = connection.Read(make([]byte, 1024))
	return err
}
