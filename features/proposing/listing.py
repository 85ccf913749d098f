"""Listing: the files of the paths that the user names, and what they are called."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Never

from features.errors import UserError
from features.intake.origins import Place

_TRUTH, _SIMULATED = "truth", "simulate:"


@contextmanager
def readable(label: str) -> Iterator[None]:
    """Turn what the system refuses into an error that names the source.

    Parameters
    ----------
    label : str
        What the source is called.

    Raises
    ------
    UserError
        It cannot be read.
    """
    try:
        yield
    except OSError as error:
        raise UserError(
            f"{label} cannot be read: {error.strerror or 'the system refuses'}. "
            "Make it readable for this user, or name the sources without it."
        ) from None


def inside(path: Path) -> list[Path]:
    """List what is at a path: a file, all files below a folder, or those that a glob names.

    Raises
    ------
    UserError
        A folder cannot be listed, or all there is is the truth of a simulated business.
    """
    with readable(str(path)):
        if path.is_file():
            named = [path]
        elif path.is_dir():
            named = sorted(_below(path))
        else:
            # A glob is silent about a folder that it may not list.
            _list_start(path)
            named = [Path(file) for file in sorted(glob.glob(str(path), recursive=False))]  # noqa: PTH207  (absolute)
    files = [file for file in named if not _is_truth(file)]
    if named and not files:
        raise UserError(
            f"{path} is the truth of a simulated business, which nobody knows of their own. "
            "Name the files beside its business.toml."
        )
    return files


def titled(places: Sequence[Place]) -> list[Place]:
    """Name sources that are called alike with the folders they are in, as far as that tells them apart."""
    titles = [place.table for place in places]
    for depth in (2, 3, 4):
        often = Counter(titles)
        titles = [
            "/".join(Path(place.source.source).parts[-depth:]) if often[title] > 1 and place.files else title
            for title, place in zip(titles, places, strict=True)
        ]
    return [replace(place, table=title) for place, title in zip(places, titles, strict=True)]


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder but those of hidden folders."""
    for here, folders, names in os.walk(folder, onerror=_refuse):
        folders[:] = [each for each in folders if not each.startswith((".", "_"))]
        yield from (Path(here, each) for each in names)


def _refuse(error: OSError) -> Never:
    """Tell which folder cannot be listed."""
    with readable(str(error.filename)):
        raise error
    raise error


def _list_start(path: Path) -> None:
    """List the folder in which a glob begins, if it is there."""
    start = next((p for p in path.parents if not glob.has_magic(str(p))), path)
    if start.is_dir():
        with readable(str(start)), os.scandir(start):
            return


def _is_truth(file: Path) -> bool:
    """Whether a file is in the folder of truth that the verb `simulate` writes beside its business."""
    for folder in file.parents:
        business = folder.parent / "business.toml"
        if folder.name == _TRUTH and business.is_file():
            with readable(str(business)), business.open(encoding="utf-8", errors="replace") as lines:
                first = lines.readline()
            if first.startswith("#") and _SIMULATED in first:
                return True
    return False
