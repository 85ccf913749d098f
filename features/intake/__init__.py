"""How the rows of sources are read, checked and refused."""

__all__: list[str] = []
