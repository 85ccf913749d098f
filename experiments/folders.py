"""Folders of a business that Holdfast itself wrote: each file appears whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from features.errors import UserError

MARK = "# Written by holdfast"
"""How the first line of a ``business.toml`` that we wrote begins; only such a file is ever replaced."""

_ADVICE = "Name a new or an empty folder."


@contextmanager
def appearing(path: Path) -> Iterator[Path]:
    """Yield a name to write to; the file takes its own name when the block ends without an error.

    Raises
    ------
    UserError
        The folder cannot be written.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()
    except OSError as error:
        raise UserError(
            f"{path.parent} cannot be written: {error.strerror}. Name a folder that you may write to."
        ) from None
    try:
        yield partial
        os.replace(partial, path)  # noqa: PTH105  (says that it replaces)
    finally:
        partial.unlink(missing_ok=True)


def refuse_foreign(folder: Path, verb: str) -> None:
    """Refuse a folder that holds anything but what the same verb wrote there before, or that is a file.

    Parameters
    ----------
    folder : Path
    verb : str
        What is about to write, as the first line of its ``business.toml`` says: ``dataset cdnow``.

    Raises
    ------
    UserError
        Writing there would destroy or mix with what the verb did not write.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file, but a folder is needed. {_ADVICE}")
    try:
        held = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
        said = ""
        if "business.toml" in held:
            said = (folder / "business.toml").read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror}. {_ADVICE}") from None
    if not held or said.startswith(f"{MARK} {verb}:"):
        return
    if "business.toml" not in held:
        raise UserError(f"{folder} is not empty, and `holdfast {verb}` did not fill it. {_ADVICE}")
    if not said.startswith(MARK):
        raise UserError(f"{folder} already holds a business.toml that Holdfast did not write. {_ADVICE}")
    other = said.removeprefix(MARK).splitlines()[0].partition(":")[0].strip()
    raise UserError(f"{folder} holds what `holdfast {other}` wrote, not `holdfast {verb}`. {_ADVICE}")


def write_business(folder: Path, text: str) -> Path:
    """Write ``business.toml`` below its mark and return its path."""
    path = folder / "business.toml"
    with appearing(path) as partial:
        partial.write_text(f"{MARK} {text}", encoding="utf-8")
    return path
