"""Proposals of business.toml: written once, and put into words."""

import os
from pathlib import Path
from typing import Any

from features.errors import UserError
from features.proposing.drafts import Proposal
from serving.verbs import table


def refuse_existing(target: Path, *, force: bool) -> None:
    """Refuse to write where a file is, before anything is looked at.

    Raises
    ------
    UserError
        The file is there, or its folder is not.
    """
    if target.is_dir() or not target.absolute().parent.is_dir():
        raise UserError(f"{target} cannot be written: name a file in a folder that is there.")
    if target.exists() and not force:
        raise UserError(
            f"{target} is there already. Name another file with --to, or replace it with --force."
        )


def publish(target: Path, text: str, *, force: bool) -> None:
    """Write the file whole or not at all; without ``force`` one that appeared meanwhile is kept.

    Raises
    ------
    UserError
        The file has appeared, or cannot be written.
    """
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        partial.write_text(text, encoding="utf-8")
        if force:
            partial.replace(target)
        else:
            os.link(partial, target)
    except FileExistsError:
        refuse_existing(target, force=False)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error.strerror}.") from None
    finally:
        partial.unlink(missing_ok=True)


def as_data(proposal: Proposal, target: Path) -> dict[str, Any]:
    """Put a proposal into plain JSON values."""
    tables: dict[str, list[dict[str, Any]]] = {}
    for draft in proposal.drafts:
        attributes = {line.key: line.value for line in draft.attributes}
        one = {"source": draft.found.label, "columns": draft.mapping, "attributes": attributes}
        tables.setdefault(draft.table, []).append(one)
    choices = [
        {"where": c.where, "chosen": c.chosen, "why": c.why, "alternatives": list(c.alternatives)}
        for c in proposal.choices
    ]
    unused = [{"source": label, "why": why} for label, why in proposal.unused]
    return {"path": str(target), "tables": tables, "choices": choices, "unused": unused}


def as_text(proposal: Proposal, target: Path) -> str:
    """Put a proposal into words."""
    rows = [[draft.table, draft.found.label, draft.found.rows, draft.why] for draft in proposal.drafts]
    lines = [table(["table", "source", "rows", "why"], rows)]
    if proposal.unused:
        lines.append(f"Not used: {', '.join(label for label, _ in proposal.unused)}; the file says why.")
    lines.append(f"Business: {target}")
    if proposal.choices:
        lines.append("To choose, where the file says CHOOSE:")
        lines += [f"  {choice.where}: {choice.why}" for choice in proposal.choices]
    lines.append(f"Next: holdfast check {target}")
    return "\n".join(lines)
