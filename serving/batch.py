"""The full base in one run: store in, scores out, one bucket in memory at a time.

Two passes: the first scores every bucket, the second adds each customer's rank in the base, which is known
only after the first.  The folder of scores appears whole or not at all, and names the run in every file,
so a reader who opened the old one never mixes it with the new one.
"""

import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from features.business import Business
from features.errors import QuestionError, UserError
from features.events import Bucket, Numbers
from features.panel import each_bucket
from features.store import Store
from features.storing.publication import flush, flush_names, sole_writer
from features.windows import parse_instant, to_text
from serving import scores
from serving.scorer import Scorer

Progress = Callable[[str, int, int], None]
MANIFEST = "_manifest.json"
"""Begins with an underscore: readers of Parquet folders pass over such files."""
RUNS = "scores"
"""Folder of the workspace that says where the scores of each cutoff are."""


@dataclass(frozen=True)
class BatchRun:
    """One finished run: ``customers = scored + sum(not_scored.values())``, always."""

    run: str
    folder: str
    cutoff: str
    scored_at: str
    customers: int
    scored: int
    not_scored: dict[str, int]
    mean_churn_probability: float | None
    total_lifetime_value: float | None
    models: tuple[str, ...]
    trained_until: str
    questions: dict[str, Any]
    in_table: bool


@dataclass(frozen=True)
class Target:
    """Where a run goes.

    Attributes
    ----------
    folder : Path
        Where the Parquet files appear, all at once; the folder of an earlier run is replaced.
    table : str
        URL of the score table that look-ups are answered from.
    over_newer : bool
        Whether the table may lose the scores of a later cutoff.  A look back at the past must not change
        what marketing is told today.
    """

    folder: Path
    table: str
    over_newer: bool = False

    def takes(self, cutoff: int) -> bool:
        """Whether the scores of a cutoff go into the table."""
        opened = scores.connect(self.table)
        try:
            batch = opened.batch()
        finally:
            opened.close()
        return self.over_newer or batch is None or parse_instant(batch.cutoff) <= cutoff


def score(business: Business, cutoff: int, scored_at: int, target: Target, progress: Progress) -> BatchRun:
    """Score every customer of the store.

    Parameters
    ----------
    business : Business
    cutoff : int
        First instant of the future.
    scored_at : int
        The instant of this run, for the record only: no score depends on it.
    target : Target
        Where the scores go.
    progress : callable
        Told (what, done, total).

    Returns
    -------
    BatchRun

    Raises
    ------
    QuestionError
        The cutoff is later than the facts reach.
    UserError
        The folder exists and holds something else, another run is writing, or the disk is full.
    ModelUnavailable
        There is no champion.
    """
    store = Store.of(business)
    if cutoff > store.observed_until:
        raise QuestionError(
            f"The facts are complete before {to_text(store.observed_until)}; a score for {to_text(cutoff)} "
            "would miss what happened in between. Build newer facts, or choose an earlier --cutoff."
        )
    folder = target.folder
    _refuse_foreign(folder)
    scores.reachable(target.table)
    scorer = Scorer.load(business)
    with sole_writer(business.workspace / RUNS):
        in_table = target.takes(cutoff)
        with _limits(f"{folder} has", "the scores before stay"), _unfinished(folder) as unfinished:
            job = _Job(store, scorer, cutoff, scored_at, folder, in_table)
            run = _write(job, unfinished, progress)
            flush(unfinished)
            _swap(unfinished, folder)
            _record(business.workspace / RUNS, run)
        if in_table:
            progress("score table", 0, 1)
            with _limits("the score table has", f"its scores before stay, {folder} holds the new ones"):
                scores.publish(folder.resolve(), target.table, _manifest(folder)["churn_grid"])
            progress("score table", 1, 1)
    return run


@dataclass(frozen=True)
class _Job:
    """What one run is made from."""

    store: Store
    scorer: Scorer
    cutoff: int
    scored_at: int
    folder: Path
    in_table: bool

    @property
    def name(self) -> str:
        """Names every file of the run."""
        return f"{_file_name(to_text(self.cutoff))}-{self.store.manifest.fingerprint[:8]}-{self.scored_at:x}"


@contextmanager
def _limits(where: str, consequence: str) -> Iterator[None]:
    """Say what to do where the disk does not suffice or may not be written."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"The scoring stopped: {error.strerror or 'a file cannot be read or written'}. "
            f"Check that {where} the space and the permissions, then score again; {consequence}."
        ) from None


def folder_of(business: Business, cutoff: int) -> Path:
    """Return where the scores of a cutoff are unless somebody says otherwise."""
    return business.workspace / RUNS / _file_name(to_text(cutoff))


def read_run(business: Business, cutoff: int) -> BatchRun:
    """Return the last run for a cutoff.

    Raises
    ------
    UserError
        Nothing was scored for that cutoff, or its folder is gone.
    """
    advice = f"Run `holdfast score business.toml --cutoff {to_text(cutoff)}` first."
    try:
        text = (business.workspace / RUNS / f"{_file_name(to_text(cutoff))}.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"Nothing has been scored for {to_text(cutoff)} yet. {advice}") from None
    content = json.loads(text)
    run = BatchRun(**{**content, "models": tuple(content["models"])})
    folder = Path(run.folder)
    if not (folder / MANIFEST).is_file() or _manifest(folder)["cutoff"] != run.cutoff:
        raise UserError(f"The scores for {to_text(cutoff)} have been moved or replaced. {advice}")
    return run


def read_scores(run: BatchRun) -> pa.Table:
    """Return every score of a run."""
    parts = [Path(run.folder) / part["file"] for part in _manifest(Path(run.folder))["parts"]]
    return pa.concat_tables([pq.read_table(part) for part in parts])


def sample(folder: Path, rows: int = 10) -> list[dict[str, Any]]:
    """Return the scores with the most at risk of the first part, as plain JSON values."""
    first = folder / _manifest(folder)["parts"][0]["file"]
    by_risk = [("value_at_risk", "descending"), ("churn_probability", "descending")]
    part = pq.read_table(first).sort_by(by_risk).slice(0, rows)
    times = ("cutoff", "scored_at")
    return [{name: value for name, value in row.items() if name not in times} for row in part.to_pylist()]


def _write(job: _Job, unfinished: Path, progress: Progress) -> BatchRun:
    """Write every part and the manifest into the unfinished folder."""
    scorer = job.scorer

    def work(bucket: Bucket) -> pa.Table:
        return scorer.score(bucket, job.cutoff, job.scored_at)

    chances: list[Numbers] = []
    reasons: Counter[str] = Counter()
    value = 0.0
    for index, part in enumerate(each_bucket(job.store, scorer.columns(), work)):
        pq.write_table(part, unfinished / f"{index:05d}.first", compression="lz4")
        chances.append(part["churn_probability"].drop_null().to_numpy())
        reasons.update(part["not_scored_because"].drop_null().to_pylist())
        value += float(np.nansum(part["lifetime_value"].to_numpy()))
        progress("score", index + 1, job.store.n_buckets)
    chance = np.concatenate(chances)
    grid = np.quantile(chance, np.linspace(0, 1, scores.GRID_POINTS)).tolist() if len(chance) else []
    parts = [_rank(path, job.name, grid) for path in sorted(unfinished.glob("*.first"))]
    mean = float(chance.mean()) if len(chance) else None
    total = value if scorer.lifetime_value else None
    models = tuple(version.text for version in scorer.versions.values())
    done = BatchRun(
        job.name, str(job.folder.absolute()), to_text(job.cutoff), to_text(job.scored_at),
        len(chance) + reasons.total(), len(chance), dict(reasons), mean, total, models,
        scorer.trained_until, scorer.questions(), job.in_table,
    )  # fmt: skip
    content = {**asdict(done), "parts": parts, "churn_grid": grid}
    (unfinished / MANIFEST).write_text(json.dumps(content, indent=1), encoding="utf-8")
    return done


def _rank(first: Path, run: str, grid: list[float]) -> dict[str, Any]:
    """Write the second pass of one part: the same rows with their percentile."""
    part = pq.read_table(first)
    if grid:
        chance = part["churn_probability"].to_numpy().astype(np.float64)
        ranks = scores.percentile(grid, chance)
        column = pa.array(ranks, pa.float64(), mask=np.isnan(ranks))
        place = part.schema.get_field_index("churn_percentile")
        part = part.set_column(place, part.schema.field(place), column)
    path = first.with_name(f"part-{run}-{first.stem}.parquet")
    pq.write_table(part, path, compression="zstd")
    first.unlink()
    return {
        "file": path.name,
        "rows": len(part),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _manifest(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return content


def _versions(folder: Path) -> Path:
    """Return the hidden folder beside the scores that holds their versions; the scores are a link into it."""
    return folder.parent / f".{folder.name}.versions"


@contextmanager
def _unfinished(folder: Path) -> Iterator[Path]:
    """Give a run an empty folder, and remove what it or a killed one left behind."""
    versions = _versions(folder)
    try:
        versions.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be written: {error.strerror}. Choose another --out.") from None
    # Another business may write to the same folder; the lock of the workspace would not tell.
    with sole_writer(versions):
        current = folder.resolve().name if folder.is_symlink() else None
        for left in versions.iterdir():
            if left.is_symlink():
                left.unlink()
            elif left.is_dir() and left.name != current:
                shutil.rmtree(left, ignore_errors=True)
        unfinished = versions / f"unfinished-{os.getpid()}"
        unfinished.mkdir()
        try:
            yield unfinished
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def _swap(unfinished: Path, folder: Path) -> None:
    """Make a finished folder the scores in one step: a link to it replaces the old link."""
    run = _manifest(unfinished)["run"]
    finished = unfinished.with_name(run)
    if finished.exists():
        # The same run again: the first one stays until the link points elsewhere.
        finished = unfinished.with_name(f"{run}-{os.getpid()}")
    unfinished.rename(finished)
    flush_names(finished.parent)
    link = finished.parent / f"{run}.link"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(finished.parent.name) / finished.name)
    # The version before stays until the next run starts: somebody may be reading it.
    os.replace(link, folder)  # noqa: PTH105  (says that it replaces)
    flush_names(folder.parent)


def _refuse_foreign(folder: Path) -> None:
    """Refuse a place that holds something other than earlier scores."""
    if folder.is_symlink() and folder.resolve().parent == _versions(folder).resolve():
        return
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
    elif folder.exists() or folder.is_symlink():
        raise UserError(f"{folder} exists and was not written by `holdfast score`. Name a new --out folder.")


def _record(runs: Path, run: BatchRun) -> None:
    path = runs / f"{_file_name(run.cutoff)}.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(asdict(run)), encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105  (says that it replaces)


def _file_name(text: str) -> str:
    return text.replace(":", "")
