"""What each verb of the command line does: load, call, and put the answer into words.

Heavy packages are imported by the verb that needs them, so that the others start at once.
"""

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from features import business as businesses
from features.business import Business
from features.errors import QualityRefused, UserError, did_you_mean
from features.windows import to_text
from training import KINDS


@dataclass(frozen=True)
class Answer:
    """What a verb says: plain JSON values for machines, text for people."""

    data: Any
    text: str
    exit_code: int = 0
    complaint: str = ""


_DERIVED = {"plan_prices": "made from subscriptions: each plan's median price, month by month"}
"""Tables of a build that no source has, and where they come from."""


def build(arguments: Namespace) -> Answer:
    """Read the sources into the store."""
    from features.build import build as build_store

    started = time.monotonic()
    report = build_store(businesses.load(arguments.business), progress=progress())
    manifest = report.manifest
    rows = [
        [
            name,
            t.rows_in,
            t.stored,
            t.duplicates,
            t.rejected,
            _DERIVED.get(name) or _reasons(t.reasons | t.notes),
        ]
        for name, t in manifest.tables.items()
    ]
    text = (
        table(["table", "rows in", "stored", "duplicates", "rejected", "why"], rows)
        + f"\n{manifest.n_customers:,} customers, facts complete before {to_text(manifest.observed_until)}, "
        f"built in {time.monotonic() - started:.1f} s."
    )
    data = {
        "snapshot": report.snapshot.name,
        "customers": manifest.n_customers,
        "observed_until": to_text(manifest.observed_until),
        "tables": {name: asdict(record) for name, record in manifest.tables.items()},
    }
    return Answer(data, text)


def simulate(arguments: Namespace) -> Answer:
    """Write a made-up business."""
    from experiments.simulator import simulate as write

    made = write(arguments.folder, customers=arguments.customers, seed=arguments.seed)
    data = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(made).items()}
    text = (
        f"{made.customers:,} customers with {made.purchases:,} purchase lines and {made.returns:,} returns; "
        f"{made.left:,} of them have left for good.\n"
        f"Business: {made.business}\nTruth (never read by Holdfast): {made.truth}"
    )
    return Answer(data, text)


def dataset(arguments: Namespace) -> Answer:
    """Write a public data set as a business."""
    from experiments.datasets import load

    made = load(arguments.name, arguments.source, arguments.target)
    data = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(made).items()}
    rows = table(["table", "rows"], [[name, n] for name, n in made.tables.items()])
    text = f"{rows}\n{made.customers:,} customers.\nBusiness: {made.business}"
    if made.rows != made.published_rows:
        text += f"\nThe main file as published has {made.published_rows:,} rows, yours has {made.rows:,}."
    return Answer(data, text)


def train(arguments: Namespace) -> Answer:
    """Train, judge, register and promote models."""
    from training import jobs
    from training.card import to_markdown

    business, run = businesses.load(arguments.business), arguments.from_run
    # What repeats the champion cannot beat it: a repetition is promoted only where that is asked for.
    promote = run is None if arguments.promote is None else arguments.promote
    kinds = _kinds(arguments.model) if arguments.model else ()
    settings = jobs.Settings(
        kinds,
        arguments.until,
        arguments.trials,
        arguments.search_seconds,
        arguments.seed,
        promote,
        show=sys.stderr.isatty(),
    )
    if run is not None:
        settings = jobs.again(business, run, settings)
    trained = jobs.train(business, settings, progress())
    data = [
        {
            "model": one.version.name,
            "kind": one.kind,
            "version": one.version.number,
            "promoted": one.promoted,
            "refusals": list(one.refusals),
            "card": one.card,
        }
        for one in trained
    ]
    text = "\n".join(to_markdown(one.card) for one in trained)
    text += "\n" + "\n".join(_became(one) for one in trained)
    if run is not None:
        others = jobs.differing(business, run, trained)
        text += f"\nThe run {run} repeated: " + (
            f"another {' and '.join(others)} model came of it." if others else "equal to the byte."
        )
    if not promote:
        return Answer(data, text)
    try:
        jobs.refuse(trained)
    except QualityRefused as error:
        return Answer(data, text, error.exit_code, f"{type(error).__name__}: {error}")
    return Answer(data, text)


def _became(trained: Any) -> str:
    what = "is champion now" if trained.promoted else "is challenger"
    said = "; ".join(trained.refusals) or "passed"
    return f"{trained.version.text} {what}. Gate: {said}."


def models(arguments: Namespace) -> Answer:
    """List the registered models."""
    from training.tracking import Tracking

    tracking = Tracking(businesses.load(arguments.business))
    versions = [version for kind in KINDS for version in tracking.versions(kind)]
    data: list[dict[str, Any]] = [
        {
            "name": version.name,
            "version": version.number,
            "run": version.run_id,
            "aliases": list(version.aliases),
            "gate": version.tags.get("gate", ""),
        }
        for version in versions
    ]
    rows = [[one["name"], one["version"], ", ".join(one["aliases"]), one["gate"], one["run"]] for one in data]
    text = table(["model", "version", "alias", "gate", "run"], rows) if rows else "Nothing is registered yet."
    return Answer(data, text)


def promote(arguments: Namespace) -> Answer:
    """Make the challengers champions, those that the gate passed."""
    from training.tracking import CHALLENGER, Tracking

    tracking = Tracking(businesses.load(arguments.business))
    chosen = [
        (kind, version)
        for kind in _kinds(arguments.model)
        for version in tracking.versions(kind)
        if CHALLENGER in version.aliases
    ]
    if not chosen:
        raise UserError("There is no challenger. Run `holdfast train business.toml --no-promote` first.")
    refused = [f"{v.text}: {v.tags.get('gate')}" for _, v in chosen if v.tags.get("gate") != "passed"]
    if refused:
        raise QualityRefused("The gate refused these challengers: " + "; ".join(refused) + ".")
    for kind, version in chosen:
        tracking.promote(kind, version.number)
    names = [version.text for _, version in chosen]
    return Answer({"champions": names}, "\n".join(f"{name} is champion now." for name in names))


def rollback(arguments: Namespace) -> Answer:
    """Make the champions before these champions again."""
    from training.questions import kinds_of
    from training.tracking import Tracking

    business = businesses.load(arguments.business)
    kinds = _kinds(arguments.model) if arguments.model else kinds_of(business)
    names = [version.text for version in Tracking(business).rollback(kinds)]
    return Answer({"champions": names}, "\n".join(f"{name} is champion again." for name in names))


def score(arguments: Namespace) -> Answer:
    """Score every customer."""
    from features.store import Store
    from serving import batch
    from serving.keys import instant_now

    business = businesses.load(arguments.business)
    store = Store.of(business)
    cutoff = store.observed_until if arguments.cutoff is None else arguments.cutoff
    target = _target(business, cutoff, arguments.out)
    started = time.monotonic()
    run = batch.score(business, cutoff, instant_now(), target, progress())
    chance = run.mean_churn_probability
    missed = f"{run.customers - run.scored:,} not ({_reasons(run.not_scored) or 'none'})"
    value = (
        "no model of lifetime value"
        if run.total_lifetime_value is None
        else f"total lifetime value {run.total_lifetime_value:,.0f} {business.business.currency}"
    )
    lines = [
        f"{run.customers:,} customers as of {run.cutoff}: {run.scored:,} scored, {missed}.",
        "Nobody was eligible." if chance is None else f"Mean churn probability {chance:.3f}, {value}.",
        f"Written to {run.folder} in {time.monotonic() - started:.1f} s.",
        "Look-ups answer from these scores now."
        if run.in_table
        else "Look-ups keep answering from the score table's scores of a later cutoff.",
    ]
    sample = batch.sample(target.folder)
    return Answer(
        {**asdict(run), "sample": sample}, "\n".join([*lines, "", table(list(SAMPLE), _cells(sample))])
    )


SAMPLE = (
    "customer_id",
    "churn_probability",
    "churn_percentile",
    "lifecycle",
    "lifetime_value",
    "value_at_risk",
    "risk_band",
)
"""The columns of the table that `score` prints."""


def _cells(sample: Sequence[dict[str, Any]]) -> list[list[Any]]:
    return [[row[name] for name in SAMPLE] for row in sample]


def serve(arguments: Namespace) -> Answer:
    """Answer over HTTP until stopped."""
    from serving.hosting import serve as run_service

    run_service(arguments.business, arguments.host, arguments.port)


def keys(arguments: Namespace) -> Answer:
    """Make, list and revoke the keys of the service."""
    from serving.keys import KeyStore

    named = [word for word in arguments.words if word.endswith(".toml")]
    words = [word for word in arguments.words if not word.endswith(".toml")]
    action, name = words[0] if words else "list", words[1] if len(words) > 1 else None
    if action not in {"create", "list", "revoke"} or len(words) > 2 or len(named) > 1:  # noqa: PLR2004  (action, name)
        raise UserError("Write: holdfast keys create NAME, keys list, or keys revoke NAME.")
    store = KeyStore(businesses.load(Path(named[0]) if named else arguments.business).workspace / "keys.db")
    if action == "list":
        entries = [_key_row(key) for key in store.entries()]
        text = table(["name", "scopes", "expires", "revoked"], [list(entry.values()) for entry in entries])
        return Answer(entries, text if entries else "There are no keys yet.")
    if name is None:
        raise UserError(f"Whose key? Write: holdfast keys {action} NAME.")
    if action == "revoke":
        key = store.revoke(name)
        return Answer({"name": key.name, "revoked": True}, f"The key {key.name} has ended.")
    scopes = [scope.strip() for scope in arguments.scopes.split(",") if scope.strip()]
    token = store.create(name, scopes, arguments.expires)
    return Answer(
        {"name": name, "key": token},
        f"{token}\nThis is the only time that the key is shown. Send it as: Authorization: Bearer KEY",
    )


def _key_row(key: Any) -> dict[str, Any]:
    ends = {name: getattr(key, name) for name in ("expires_at", "revoked_at")}
    times = {name: None if at is None else to_text(at) for name, at in ends.items()}
    return {"name": key.name, "scopes": ",".join(key.scopes), **times}


def doctor(arguments: Namespace) -> Answer:
    """Check versions, names, reachability and that nothing phones home."""
    from serving.doctor import examine

    findings = examine(arguments.business)
    rows = [["ok" if found.good else "wrong", found.what, found.says] for found in findings]
    good = all(found.good for found in findings)
    return Answer([asdict(found) for found in findings], table(["", "what", "found"], rows), 0 if good else 2)


def progress() -> Callable[[str, int, int], None]:
    """Return a progress bar for each step on a terminal, nothing elsewhere."""
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def tell(what: str, done: int, total: int) -> None:
        if what not in bars:
            bars[what] = tqdm(desc=what, total=total, file=sys.stderr, disable=not sys.stderr.isatty())
        bars[what].update(done - bars[what].n)
        if done >= total:
            bars[what].close()

    return tell


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Set rows in columns: numbers to the right, text to the left.

    Examples
    --------
    >>> print(table(["what", "n"], [["a", 1], ["bb", 1234]]))
    what      n
    ----  -----
    a         1
    bb    1,234
    >>> print(table(["share", "percentile"], [[0.25, 5.25], [1.0, 97.5]]))
    share  percentile
    -----  ----------
    0.250         5.2
    1.000        97.5
    """
    digits = [_digits([row[i] for row in rows]) for i in range(len(header))]
    texts = [[_cell(value, n) for value, n in zip(row, digits, strict=True)] for row in rows]
    widths = [max(len(line[i]) for line in [list(header), *texts]) for i in range(len(header))]
    right = [any(isinstance(row[i], int | float) for row in rows) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        padded = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(cells, widths, right, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(list(header)), line(["-" * width for width in widths]), *map(line, texts)])


def _digits(column: Sequence[Any]) -> int:
    """How many digits after the point matter in a column: the same in every row."""
    return 1 if any(isinstance(value, float) and abs(value) >= 10 for value in column) else 3  # noqa: PLR2004  (digits that matter)


def _cell(value: Any, digits: int) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.{digits}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _reasons(reasons: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))


def _kinds(text: str | None) -> tuple[str, ...]:
    """Read a list of kinds with commas between."""
    kinds = tuple(kind.strip() for kind in (text or ",".join(KINDS)).split(",") if kind.strip())
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"There is no model {kind!r}. {did_you_mean(kind, KINDS)}")
    return kinds


def _target(business: Business, cutoff: int, out: str | None) -> Any:
    """Return where scores go: a table that is named may lose newer scores, the usual one may not."""
    from serving.batch import Target, folder_of
    from serving.settings import Secret, score_url

    is_url = out is not None and "://" in out
    configured = out if is_url else os.environ.get("HOLDFAST_SCORES")
    folder = Path(out).absolute() if out is not None and not is_url else folder_of(business, cutoff)
    return Target(folder, score_url(Secret(configured) if configured else None, business), over_newer=is_url)
