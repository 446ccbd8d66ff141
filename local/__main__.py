"""Runs the command line: `python -m local`."""

from local.cli import main

main()
