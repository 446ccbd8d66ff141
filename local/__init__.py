"""A real single-node Kubernetes on this machine, in a network namespace without a way out."""
