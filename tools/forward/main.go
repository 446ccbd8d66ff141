// Command forward carries connections from the machine into the network namespace of a platform.
//
// It runs inside that namespace; its listening sockets were opened outside, on the machine's loopback address, and
// are inherited as file descriptors. It reads the host a client asks for (the Host header, or the server name of a
// TLS handshake), finds the Service of that name with the cluster's DNS, and from there on only copies bytes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// Limits that keep a stuck client or Service from holding a connection for ever, and a hostile one from using memory.
const (
	preludeTimeout = 30 * time.Second
	dialTimeout    = 10 * time.Second
	preludeBytes   = 64 << 10
)

// route finds out where a connection wants to go; it returns the bytes it has read to find out.
type route func(net.Conn) (address string, prelude []byte, err error)

func main() {
	api := flag.Int("api-fd", -1, "file descriptor of the socket that leads to the API server")
	http := flag.Int("http-fd", -1, "file descriptor of the socket for HTTP, routed by the Host header")
	tls := flag.Int("tls-fd", -1, "file descriptor of the socket for TLS, routed by the server name")
	server := flag.String("api-server", "", "address and port of the API server inside the namespace")
	dns := flag.String("dns", "", "address and port of the cluster's DNS")
	domain := flag.String("cluster-domain", "cluster.local", "domain of the cluster's Services")
	flag.Parse()

	directory := newDirectory(*dns, *domain)
	routes := map[int]route{
		*api:  func(net.Conn) (string, []byte, error) { return *server, nil, nil },
		*http: directory.byHost,
		*tls:  directory.byServerName,
	}
	if err := serve(routes); err != nil {
		slog.Error("forwarder ended", "error", err)
		os.Exit(1)
	}
}

func serve(routes map[int]route) error {
	ended := make(chan error)
	for descriptor, find := range routes {
		listener, err := inherit(descriptor)
		if err != nil {
			return err
		}
		go func() { ended <- accept(listener, find) }()
	}
	return <-ended
}

func inherit(descriptor int) (net.Listener, error) {
	if descriptor < 3 {
		return nil, errors.New("--api-fd, --http-fd and --tls-fd must each name an inherited listening socket")
	}
	file := os.NewFile(uintptr(descriptor), fmt.Sprintf("listener %d", descriptor))
	defer file.Close()
	return net.FileListener(file)
}

func accept(listener net.Listener, find route) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		go carry(client, find)
	}
}

func carry(client net.Conn, find route) {
	defer client.Close()
	client.SetReadDeadline(time.Now().Add(preludeTimeout))
	address, prelude, err := find(client)
	client.SetReadDeadline(time.Time{})
	if errors.Is(err, io.EOF) {
		return
	}
	if err != nil {
		refuse(client, err)
		return
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	service, err := dialer.DialContext(context.Background(), "tcp", address)
	if err != nil {
		refuse(client, err)
		return
	}
	defer service.Close()
	if _, err := service.Write(prelude); err != nil {
		return
	}
	copyBoth(client, service)
}

// refuse tells why there is no connection in the one language a person at the other end can read. A TLS client sees
// a failed handshake.
func refuse(client net.Conn, reason error) {
	slog.Warn("refused", "client", client.RemoteAddr(), "reason", reason)
	body := fmt.Sprintf("cloison: %v\n", reason)
	fmt.Fprintf(client, "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"+
		"Connection: close\r\n\r\n%s", len(body), body)
}

// copyBoth copies until both sides have said all they had to: an end of one direction is passed on, not taken for the
// end of the other.
func copyBoth(client, service net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { copyOne(service, client) })
	both.Go(func() { copyOne(client, service) })
	both.Wait()
}

func copyOne(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		half.CloseWrite()
		return
	}
	to.Close()
	from.Close()
}
