"""Names, labels and ports that the parts of the installation agree on; all but the first are Envoy Gateway's own."""

PART = "gateway"
"""Label of the platform's part."""

CLASS = "cloison"
"""The GatewayClass that it serves."""
CONTROLLER_NAME = "gateway.envoyproxy.io/cloison"
"""Tells it from another Envoy Gateway in the same cluster."""

CONTROLLER = "envoy-gateway"
"""Deployment, Service, account and Secret of the controller; proxies look for this Service and this name in its
certificate."""
PROXY = "envoy"
"""Deployment, account and Secret of the proxies."""
SESSION_KEY = "envoy-oidc-hmac"
"""Secret that the controller reads at every turn, for a feature that is not used here."""

CONTROLLER_LABELS = {"app.kubernetes.io/name": CONTROLLER}
PROXY_LABELS = {"app.kubernetes.io/name": "envoy", "app.kubernetes.io/managed-by": CONTROLLER}

XDS_PORT = 18000
"""Where proxies fetch their configuration."""
HEALTH_PORT = 8081
LISTENER_PORT = 10443
"""Port of the proxies for a listener on 443: ports below 1024 are moved up by ten thousand."""

USER = 65532
"""User and group of both images."""
