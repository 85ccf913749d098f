"""What is counted in a store, and which grade it earns."""

__all__: list[str] = []
