package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// errRead ends a TLS handshake that was begun only to read the client's first message.
var errRead = errors.New("client hello read")

// directory turns the name a client asks for into the address of a Service.
type directory struct {
	resolver *net.Resolver
	domain   string
}

func newDirectory(dns, domain string) *directory {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, network, dns)
	}
	return &directory{&net.Resolver{PreferGo: true, Dial: dial}, domain}
}

func (d *directory) byHost(client net.Conn) (string, []byte, error) {
	var read bytes.Buffer
	source := io.TeeReader(io.LimitReader(client, preludeBytes), &read)
	request, err := http.ReadRequest(bufio.NewReader(source))
	if err != nil {
		return "", nil, err
	}
	host, _, err := net.SplitHostPort(request.Host)
	if err != nil {
		host = request.Host
	}
	address, err := d.address(host, "80")
	return address, read.Bytes(), err
}

func (d *directory) byServerName(client net.Conn) (string, []byte, error) {
	var read bytes.Buffer
	var name string
	source := io.TeeReader(io.LimitReader(client, preludeBytes), &read)
	config := &tls.Config{GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		name = hello.ServerName
		return nil, errRead
	}}
	if err := tls.Server(onlyRead{client, source}, config).Handshake(); !errors.Is(err, errRead) {
		return "", nil, err
	}
	address, err := d.address(name, "443")
	return address, read.Bytes(), err
}

func (d *directory) address(host, port string) (string, error) {
	name, err := serviceName(host, d.domain)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	found, err := d.resolver.LookupHost(ctx, name)
	if err != nil {
		return "", fmt.Errorf("no Service answers to %s: %w", host, err)
	}
	return net.JoinHostPort(found[0], port), nil
}

// serviceName turns "<anything.><service>.<namespace>.localhost" into the name of that Service inside the cluster.
func serviceName(host, domain string) (string, error) {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(host), "."), ".")
	last := len(labels) - 1
	if last < 2 || labels[last] != "localhost" {
		return "", fmt.Errorf("%q does not read <service>.<namespace>.localhost", host)
	}
	return fmt.Sprintf("%s.%s.svc.%s.", labels[last-2], labels[last-1], domain), nil
}

// onlyRead is a connection that gives what its client sent and swallows what is said to it.
type onlyRead struct {
	net.Conn
	source io.Reader
}

func (c onlyRead) Read(into []byte) (int, error)    { return c.source.Read(into) }
func (c onlyRead) Write(data []byte) (int, error)   { return len(data), nil }
func (c onlyRead) Close() error                     { return nil }
func (c onlyRead) SetDeadline(time.Time) error      { return nil }
func (c onlyRead) SetReadDeadline(time.Time) error  { return nil }
func (c onlyRead) SetWriteDeadline(time.Time) error { return nil }
