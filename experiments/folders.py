"""Folders of a business that Holdfast itself wrote: each file appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import UserError

MARK = "# Written by holdfast"
"""How the first line of a ``business.toml`` that we wrote begins; only such a file is ever replaced."""


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a name to write to; the file takes its own name when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        os.replace(partial, path)  # noqa: PTH105  (says that it replaces)
    finally:
        partial.unlink(missing_ok=True)


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder that holds somebody's own ``business.toml``, or that is a file.

    Raises
    ------
    UserError
        Writing there would destroy what we did not write.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, but a folder is needed. Name a new or an empty folder.")
    business = folder / "business.toml"
    if business.exists() and not business.read_text(encoding="utf-8", errors="replace").startswith(MARK):
        raise UserError(
            f"{folder} already holds a business.toml that Holdfast did not write. "
            "Name a new or an empty folder."
        )


def write_business(folder: Path, text: str) -> Path:
    """Write ``business.toml`` below its mark and return its path."""
    path = folder / "business.toml"
    with appearing(path) as partial:
        partial.write_text(f"{MARK} {text}", encoding="utf-8")
    return path
