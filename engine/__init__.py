"""An embedded Pulumi engine: runs an unchanged Pulumi Python program without the Pulumi CLI.

It serves the gRPC protocols that Pulumi's Python SDK speaks, drives providers through the seam in
:mod:`engine.provider`, and keeps state in Pulumi's own checkpoint format.
"""
