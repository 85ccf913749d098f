"""How business.toml is proposed from the sources that a user names."""

__all__: list[str] = []
