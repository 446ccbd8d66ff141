"""What is installed once for a cluster; each part can be the provider's instead, as the profile says."""
