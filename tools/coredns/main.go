// Command coredns is CoreDNS with the plugins a cluster's own name server needs and no others: the complete set
// pulls in every cloud's SDK and takes minutes to build.
package main

import (
	_ "github.com/coredns/caddy/onevent"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/acl"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/rewrite"
	_ "github.com/coredns/coredns/plugin/template"
)

func init() {
	// The order in which a query passes the plugins: CoreDNS's own, but for "template", which answers last here, so
	// that a template for every name leaves the plugins before it their say.
	dnsserver.Directives = []string{
		"bind", "reload", "health", "ready", "prometheus", "errors", "log", "acl", "loadbalance",
		"cache", "rewrite", "hosts", "kubernetes", "template", "loop", "forward",
	}
}

func main() {
	coremain.Run()
}
