"""Tests of the Kubernetes provider: pure tables here, `platform` tests against a real API server."""
