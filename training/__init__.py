"""What happened next, and models of it."""

__all__: list[str] = []
