"""Where networks come from: one module an origin, registered in pyproject.toml under `unitscope.networks`."""
