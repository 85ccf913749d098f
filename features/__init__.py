"""What was known about a customer at a cutoff."""

__all__: list[str] = []
