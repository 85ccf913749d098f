"""Drafting: a proposal as the text of business.toml, to be read by a person."""

import os
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from features.proposing.drafts import Choice, Draft, Line, Proposal, in_comment, quoted

_WIDTH = 110
_FURTHEST = 2
_LEFT = 36


def write(proposal: Proposal, folder: Path) -> str:
    """Write a proposal as business.toml.

    Parameters
    ----------
    proposal : Proposal
    folder : Path
        The folder that the file is going to be in; sources near it are written relative to it.

    Returns
    -------
    str
        The text of the file, ending in a line end.
    """
    parts = [_head(proposal), ["[business]", *_aligned(proposal.business)]]
    tables = [draft.table for draft in proposal.drafts]
    named: set[str] = set()
    parts += [
        _table(draft, folder, several=tables.count(draft.table) > 1, named=named) for draft in proposal.drafts
    ]
    if proposal.unused:
        parts.append(["# Sources that are not used:", *_explained(proposal.unused)])
    parts.append(["[churn]", *_aligned(proposal.churn)])
    parts.append(["[value]", *_aligned(proposal.value)])
    own = Line("path", '".holdfast"', "all that Holdfast writes")
    parts.append(["[workspace]", *_aligned([own])])
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _head(proposal: Proposal) -> list[str]:
    """What the file is, and what is left to do."""
    left = len(proposal.choices)
    if not left:
        return ["# Proposed by `holdfast init` from the columns of the sources."]
    works = "what stands there works, right or not"
    if any(column.is_mixed for draft in proposal.drafts for column in draft.times):
        works += ", once all times of a column carry a zone or none does"
    what = "one line is" if left == 1 else f"{left} lines are"
    return [
        "# Proposed by `holdfast init` from the columns of the sources.",
        f"# {what.capitalize()} marked CHOOSE: the data do not say; {works}.",
    ]


def _table(draft: Draft, folder: Path, *, several: bool, named: set[str]) -> list[str]:
    """One source of a table."""
    section = f"tables.{draft.table}"
    lines = [f"# {in_comment(draft.why)}", f"[[{section}]]" if several else f"[{section}]"]
    if several:
        lines.append(f"name   = {quoted(_distinct(draft, named))}")
    lines.append(f"source = {quoted(_near(draft, folder))}")
    if draft.found.table and not draft.query:
        lines.append(f"table  = {quoted(draft.found.table)}")
    for note in draft.query_notes:
        said = _choice(note) if isinstance(note, Choice) else note
        lines += _wrapped(said, "# ", "#   ")
    if draft.query:
        lines += _query(draft)
    if draft.formats:
        lines += _formats(draft.formats)
    lines += ["", f"[{section}.columns]", *_aligned(draft.columns, quote=True)]
    if draft.attributes:
        lines += ["", f"[{section}.attributes]", *_aligned(draft.attributes, quote=True)]
    return lines + _left_out(draft)


def _query(draft: Draft) -> list[str]:
    """The query of a source; in a database it names its table."""
    query = str(draft.query)
    if draft.found.table:
        query = query.replace("from source", f"from {draft.found.table}")
    query = query.replace("\\", "\\\\").replace('"""', '""\\"')
    return ['query = """', *query.split("\n"), '"""']


def _formats(lines: Sequence[Line]) -> list[str]:
    """How times and money are written; on one line where nothing is to be said about them."""
    if any(line.choice or line.note for line in lines):
        return _aligned(
            [Line(f"formats.{line.key}", line.value, line.note, line.choice) for line in lines], quote=True
        )
    inside = ", ".join(f"{line.key} = {quoted(line.value)}" for line in lines)
    return [f"formats = {{ {inside} }}"]


def _left_out(draft: Draft) -> list[str]:
    """Columns that are not used, those with a reason first."""
    said = [(column, why) for column, why in draft.left_out if why]
    plain = [column for column, why in draft.left_out if not why]
    if not draft.left_out:
        return []
    lines = ["", "# Not used:", *_explained(said)]
    if plain:
        lines += _wrapped(", ".join(plain), "#   ", "#   ")
    if draft.table == "customers" and any("outcome" in why or "AUC" in why for _, why in said):
        lines += [
            "# One that is known before the cutoff after all: write it under attributes, and say so with",
            '# [quality] trusted = ["customers.its_name"].',
        ]
    return lines


def _explained(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Comments with what they are about on the left, and the reasons below each other."""
    rows = [(in_comment(what), why) for what, why in rows]
    width = min(max((len(what) for what, _ in rows), default=0), _LEFT)
    lines = []
    for what, why in rows:
        lines += _wrapped(why, f"#   {what:<{width}}  ", f"#   {'':<{width}}  ")
    return lines


def _wrapped(said: str, first: str, then: str) -> list[str]:
    """Wrap a comment, never inside a word."""
    return textwrap.wrap(
        in_comment(said),
        _WIDTH,
        initial_indent=first,
        subsequent_indent=then,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _aligned(lines: Iterable[Line], *, quote: bool = False) -> list[str]:
    """Lines of one section, with everything below each other."""
    lines = list(lines)
    key_width = max((len(line.key) for line in lines), default=0)
    values = [quoted(line.value) if quote else line.value for line in lines]
    notes = [in_comment(_choice(line.choice) if line.choice else line.note) for line in lines]
    widths = [len(value) for value, note in zip(values, notes, strict=True) if note]
    value_width = max(widths, default=0)
    return [
        f"{line.key:<{key_width}} = {value:<{value_width}}  # {note}"
        if note
        else f"{line.key:<{key_width}} = {value}"
        for line, value, note in zip(lines, values, notes, strict=True)
    ]


def _choice(choice: Choice) -> str:
    """What is left to the user."""
    others = ", ".join(choice.alternatives)
    if not others:
        return f"CHOOSE: {choice.why}"
    return f"CHOOSE: {choice.why}{' Or' if choice.why.endswith('?') else ', or'} {others}"


def _distinct(draft: Draft, named: set[str]) -> str:
    """A name that no other source of the table has."""
    own, number = draft.found.stem, 2
    while f"{draft.table}.{own}" in named:
        own, number = f"{draft.found.stem} {number}", number + 1
    named.add(f"{draft.table}.{own}")
    return own


def _near(draft: Draft, folder: Path) -> str:
    """The source as it is written: relative to the file where that is near."""
    if not draft.found.files:
        return draft.found.source
    relative = Path(os.path.relpath(draft.found.source, folder)).as_posix()
    return draft.found.source if relative.count("../") > _FURTHEST else relative
