"""Time and memory, each case in a fresh process: ``python -m benchmarks.speed``, ``python -m benchmarks.memory``."""
