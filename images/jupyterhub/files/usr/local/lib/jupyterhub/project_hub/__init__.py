"""What a project's hub adds to JupyterHub: who is let in, and what exactly is started for them."""
