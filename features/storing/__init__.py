"""How checked rows become the files of a snapshot."""

__all__: list[str] = []
