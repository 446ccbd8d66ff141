"""Envoy Gateway, for clusters without a gateway of their own: declared object by object, without its Helm chart."""
