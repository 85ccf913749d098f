"""Answers: scores in bulk, over HTTP and on the command line."""

__all__: list[str] = []
