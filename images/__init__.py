"""Container images without Docker and without a registry.

Each folder in this room is one image: a `Containerfile`, the files it copies, and an `image.yaml` where it needs
something that is not a file of the folder. `python -m images build` turns a folder into an OCI archive, named by its
content, so that the same folder always gives the same image.
"""
