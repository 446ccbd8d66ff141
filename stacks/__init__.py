"""Where the workspaces live: the model of a provider's capabilities and one profile for each provider."""
