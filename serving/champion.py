"""The model that answers now, and the watch that replaces it.

A thread asks the registry every few seconds which version is champion.  A new version is loaded beside the
old one and takes over with one assignment; if it cannot be loaded, the old one keeps answering.
"""

import logging
import threading
from collections.abc import Mapping
from typing import Any, Protocol

import pyarrow as pa

from features.errors import HoldfastError, ModelUnavailable
from features.events import Bucket
from features.tables import Kind
from serving.scores import BatchInfo, ScoreTable

LOG = logging.getLogger(__name__)

STOP_SECONDS = 2.0
"""How long a shutdown waits for the watch; a registry that hangs must not hold it up."""


class Scores(Protocol):
    """What answers: `serving.scorer.Scorer`."""

    @property
    def kinds(self) -> Mapping[str, Mapping[str, Kind]]:
        """How each column that the models read is kept, by table."""
        ...

    def score(self, bucket: Bucket, cutoff: int, scored_at: int) -> pa.Table:
        """Return one row per customer of the bucket, in its order."""
        ...

    def models(self) -> list[dict[str, Any]]:
        """Describe the models in plain JSON values."""
        ...


class Registry(Protocol):
    """Where scorers come from."""

    def version(self) -> str:
        """Name the champion without loading it; `ModelUnavailable` where there is none."""
        ...

    def load(self) -> Scores:
        """Load and verify the champion; `ModelUnavailable` where there is none."""
        ...


class Champion:
    """The scorer that answers now.

    Parameters
    ----------
    registry : Registry
        Where scorers come from.
    scores : ScoreTable
        The batch whose distribution ranks a request's customers.
    poll_seconds : float
        How often the registry is asked.
    """

    def __init__(self, registry: Registry, scores: ScoreTable, poll_seconds: float) -> None:
        self._registry = registry
        self._scores = scores
        self._poll_seconds = poll_seconds
        self._scorer: Scores | None = None
        self._version: str | None = None
        self._reason = "The model is being loaded."
        self._batch: BatchInfo | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def batch(self) -> BatchInfo | None:
        """The batch that lookups answer from, as of the last poll."""
        return self._batch

    @property
    def version(self) -> str | None:
        """The version that answers now."""
        return self._version

    def scorer(self) -> Scores:
        """Return the scorer that answers now.

        Raises
        ------
        ModelUnavailable
            None could be loaded yet; the message says why.
        """
        scorer = self._scorer
        if scorer is None:
            raise ModelUnavailable(self._reason)
        return scorer

    def start(self) -> None:
        """Start watching."""
        self._stopping.clear()
        # A daemon, so that a registry that hangs cannot keep the process alive.
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def refresh(self) -> None:
        """Look for a new champion and a new batch once; what fails leaves the old one in place."""
        try:
            self._refresh_scorer()
        except ModelUnavailable as error:
            self._reason = str(error)
            LOG.warning("no champion", extra={"fields": {"answering": self._version}})
        except HoldfastError as error:
            self._reason = "The champion cannot be used; the log has more."
            LOG.error("champion refused", exc_info=error, extra={"fields": {"answering": self._version}})  # noqa: TRY400  (the formatter leaves values out)
        except Exception:
            self._reason = "The champion could not be loaded; the log has more."
            LOG.exception("champion not loaded", extra={"fields": {"answering": self._version}})
        try:
            self._batch = self._scores.batch()
        except Exception:
            LOG.exception("score table not read")

    def _refresh_scorer(self) -> None:
        """Load the champion if it is another one."""
        version = self._registry.version()
        if version == self._version:
            return
        scorer = self._registry.load()
        self._scorer = scorer
        self._version = version
        LOG.info("champion loaded", extra={"fields": {"version": version}})

    def _watch(self) -> None:
        """Refresh until told to stop."""
        while True:
            self.refresh()
            if self._stopping.wait(self._poll_seconds):
                return
