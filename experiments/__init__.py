"""Simulated and public data, benchmarks, and what we decided from them."""

__all__: list[str] = []
