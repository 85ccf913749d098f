"""A small business, a scorer without a model and a service around them, for tests of the HTTP side."""

from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa

from features.business import load
from features.errors import ModelUnavailable
from serving.api import ROUTES, Service, application
from serving.champion import Champion
from serving.contract import Limits
from serving.guard import Guard
from serving.keys import KeyStore
from serving.scores import connect
from serving.settings import Settings

BUSINESS = """
[business]
name = "corner shop"
currency = "{currency}"
{timezone}
[tables.purchases]
source = "purchases.csv"
columns = {{ customer_id = "id", purchased_at = "date", amount = "amount", quantity = "n", channel = "by" }}
[tables.customers]
source = "customers.csv"
columns = {{ customer_id = "id", joined_at = "since" }}
attributes = {attributes}
"""


def business(
    folder: Path, timezone: str | None = None, currency: str = "USD", attributes: str = '["region"]'
):
    folder.mkdir(parents=True, exist_ok=True)
    zone = "" if timezone is None else f'timezone = "{timezone}"'
    path = folder / "business.toml"
    path.write_text(BUSINESS.format(currency=currency, timezone=zone, attributes=attributes))
    return load(path)


class FakeScorer:
    """Says 0.1 for every event that a customer has, and remembers what it was asked."""

    def __init__(self, version: str = "7") -> None:
        self.kinds: dict = {}
        self.version = version
        self.asked: list = []
        self.failure: Exception | None = None
        self.wait = lambda: None

    def score(self, bucket, cutoff, scored_at):
        self.wait()
        if self.failure is not None:
            raise self.failure
        self.asked.append((bucket, cutoff))
        counts = np.diff(bucket.events("purchases").offsets)
        times = [pa.array([t] * len(bucket), pa.timestamp("us", "UTC")) for t in (cutoff, scored_at)]
        return pa.table(
            {
                "customer_id": list(bucket.customer_ids),
                "cutoff": times[0],
                "scored_at": times[1],
                "eligible": counts > 0,
                "churn_probability": pa.array(0.1 * counts, mask=counts == 0),
                "churn_percentile": pa.nulls(len(bucket), pa.float64()),
                "model_attrition": [self.version] * len(bucket),
            }
        )

    def models(self):
        return [{"name": "attrition", "version": self.version, "alias": "champion"}]


class FakeRegistry:
    """A registry whose champion a test sets; None means there is none."""

    def __init__(self, scorer: FakeScorer | None) -> None:
        self.scorer = scorer
        self.failure: Exception | None = None

    def version(self) -> str:
        if self.scorer is None:
            raise ModelUnavailable("No champion has been promoted yet. Run `holdfast train`.")
        return self.scorer.version

    def load(self):
        if self.failure is not None:
            raise self.failure
        return self.scorer


class Shop:
    """A service of one business in this process, asked over ASGI."""

    def __init__(self, folder: Path, registry: FakeRegistry | None = None, **settings) -> None:
        self.business = business(folder)
        self.scorer = FakeScorer()
        self.registry = registry or FakeRegistry(self.scorer)
        self.url = f"sqlite:///{self.business.workspace / 'scores.db'}"
        self.settings = Settings(self.business.path, **settings)
        self.keys = KeyStore(self.business.workspace / "keys.db")
        self.key = self.keys.create("all", ["score", "lookup", "admin"])
        scores = connect(self.url)
        self.champion = Champion(self.registry, scores, poll_seconds=60)
        limits = Limits(self.settings.max_customers, self.settings.max_events)
        self.service = Service(self.business, self.champion, scores, limits)
        self.observed: list = []
        self.guard = Guard(
            application(self.service),
            ROUTES,
            self.keys.verify,
            self.settings,
            lambda *what: self.observed.append(what),
        )
        self.champion.refresh()

    def client(self, key: str | None = "") -> httpx.AsyncClient:
        headers = {} if key is None else {"Authorization": f"Bearer {key or self.key}"}
        transport = httpx.ASGITransport(self.guard)
        return httpx.AsyncClient(transport=transport, base_url="http://shop", headers=headers)

    def close(self) -> None:
        self.service.inference.shutdown(wait=True)
        self.service.scores.close()
