"""Benchmarks of time and memory, each case in a new process: ``python -m benchmarks.speed`` and others."""
