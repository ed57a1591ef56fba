"""Campaigns that take longer than tests: ``make torture`` runs them and writes their figures to docs/torture.md."""
