package main

import (
	"crypto/tls"
	"net"
	"testing"
)

func TestServiceName(t *testing.T) {
	for host, want := range map[string]string{
		"lab.cohort.localhost":       "lab.cohort.svc.cluster.local.",
		"LAB.Cohort.localhost.":      "lab.cohort.svc.cluster.local.",
		"alice.lab.cohort.localhost": "lab.cohort.svc.cluster.local.",
	} {
		if got, err := serviceName(host, "cluster.local"); err != nil || got != want {
			t.Errorf("serviceName(%q) = %q, %v; want %q", host, got, err, want)
		}
	}
	for _, host := range []string{"", "localhost", "lab.localhost", "lab.cohort.example.org"} {
		if got, err := serviceName(host, "cluster.local"); err == nil {
			t.Errorf("serviceName(%q) = %q; want an error", host, got)
		}
	}
}

func TestByServerNameKeepsWhatItRead(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	go tls.Client(client, &tls.Config{ServerName: "unknown"}).Handshake()
	_, prelude, err := newDirectory("127.0.0.1:1", "cluster.local").byServerName(server)
	if err == nil || len(prelude) == 0 || prelude[0] != 22 {
		t.Errorf("want an error and the handshake record that was read, got %v and %d bytes", err, len(prelude))
	}
}
