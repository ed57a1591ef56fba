"""Graph rewrites: each takes a graph module and returns one that computes the same, or a stated variant of it."""
