"""Where networks come from: one module an origin, each loads a reference of its own scheme."""
