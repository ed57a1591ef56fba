"""Origins of networks, one module each, registered in pyproject.toml under `unitscope.networks`."""
