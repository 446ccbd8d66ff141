"""Enforcement of `networking.k8s.io/v1` NetworkPolicy on one node, by nftables.

The layers, each ignorant of the next: `model` (the API's objects, typed), `selectors` (which labels a selector
takes), `rules` (a rule set as plain data), `compile` (cluster state to rule set), `nftables` (rule set to the kernel),
`watch` (the API to cluster state), `agent` (all of it, kept current).

What the rules promise beyond the API's definition, because a partition must fail closed:

- An address of the pod range that no live pod holds neither sends nor receives. A pod's traffic starts when its rules
  stand.
- A pod's egress isolation binds towards the node too (the API server, the kubelet, every host process): those are
  reached only through an `ipBlock` or a rule without peers.
- What the node itself sends always reaches the pod (kubelet probes), as the API demands.
- A packet whose source address does not route back to the interface it came in by is dropped, so that a pod can use no
  address but its own; IPv6, which no pod is given, is dropped whole.
- Connections that stand outlive a change of policy; new ones meet the new rules at once.
"""
