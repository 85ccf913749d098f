"""Benchmarks: each prints a table of times beside a peer and the limit."""
