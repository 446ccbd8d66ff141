"""Day two: what people run on a stack, and the `cloison` command."""
