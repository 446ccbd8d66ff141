"""What can go wrong in the enforcement of network policy."""

from local.errors import PlatformError


class PolicyError(PlatformError):
    """The rules could not be read from the API or put before the kernel. What stood before still stands."""
