"""Experiments run on the planted network of the scans, over its seeded pictures."""

from tests.scanning.conftest import folder, network

__all__ = ["folder", "network"]
