"""The service as BentoML hosts it; the only door to bentoml.

BentoML owns the process: its supervisor starts workers and restarts one that dies, ``bentoml build`` packs
the service, ``/metrics`` collects over workers.  The guard is the outermost layer, outside BentoML's own, so
no refused request reaches a metric label or a log line of BentoML.  It hands the routes of `serving.api`
straight to that application: BentoML's layers cost a quarter of a millisecond a request, and its timeout
keeps every request in memory until the time is over.

Nothing is read or opened when this module is imported: that happens when a worker asks for the application.
"""

import os

from serving.settings import QUIET_ENVIRONMENT, Settings, read, score_url

os.environ.update(QUIET_ENVIRONMENT)

import bentoml
from starlette.applications import Starlette

from features.business import Business, load
from features.errors import ModelUnavailable
from serving import logs
from serving.api import ROUTES, Service, application
from serving.champion import Champion, Scores
from serving.contract import Limits
from serving.guard import App, Guard, Observe, Receive, Scope, Send
from serving.keys import KeyStore
from serving.scores import connect


class ChampionRegistry:
    """Champions of a business, from its model registry.

    The scorer is imported when there is something to score with.
    """

    def __init__(self, business: Business) -> None:
        self._business = business

    def version(self) -> str:
        """Name the champion without loading it.

        Raises
        ------
        ModelUnavailable
            There is none.
        """
        if (
            not os.environ.get("MLFLOW_TRACKING_URI")
            and not (self._business.workspace / "mlflow.db").exists()
        ):
            # Asking MLflow means importing it, which makes the first answers of the process wait.
            raise ModelUnavailable("No model has been trained yet. Run `holdfast train`.")
        from serving.scorer import Scorer

        return Scorer.champion(self._business)

    def load(self) -> Scores:
        """Load and verify the champion."""
        from serving.scorer import Scorer

        return Scorer.load(self._business)


class GuardedService(bentoml.Service):  # type: ignore[misc]
    """A BentoML service whose application has the guard around it."""

    def to_asgi(self, is_main: bool = True) -> App:  # noqa: FBT001, FBT002  (BentoML's signature)
        """Build the application of one worker."""
        settings = read()
        logs.configure(settings.log_level)
        business = load(settings.business)
        api = build(settings, business)
        self.mount_asgi_app(api, path="/", name="api")
        host = super().to_asgi(is_main)
        keys = KeyStore(business.workspace / "keys.db")
        return Guard(Switch(api, host), ROUTES, keys.verify, settings, _observed())


class Switch:
    """Sends metrics and the life cycle to the host, everything else straight to the application."""

    def __init__(self, api: App, host: App) -> None:
        self._api = api
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one connection event on."""
        to_host = scope["type"] == "lifespan" or scope["path"] == "/metrics"
        await (self._host if to_host else self._api)(scope, receive, send)


def build(settings: Settings, business: Business) -> Starlette:
    """Build the application for the settings."""
    scores = connect(score_url(settings.scores, business))
    champion = Champion(ChampionRegistry(business), scores, settings.poll_seconds)
    limits = Limits(settings.max_customers, settings.max_events)
    return application(Service(business, champion, scores, limits))


def _observed() -> Observe:
    """Return what counts requests, by route and status only: labels must stay few and carry no ids."""
    import prometheus_client

    seconds = prometheus_client.Histogram(
        "holdfast_request_seconds", "Time to answer a request.", ["route", "status"]
    )

    def observe(route: str, status: int, elapsed: float) -> None:
        seconds.labels(route, str(status)).observe(elapsed)

    return observe


@bentoml.service(
    name="holdfast",
    service_class=GuardedService,
    workers=1,
    # BentoML's timer only ever sees /metrics; the guard has its own deadline.
    traffic={"timeout": 5},
    # The guard measures and logs every request; BentoML would do so with raw paths.
    logging={"access": {"enabled": False}},
)
class Holdfast:
    """Churn and customer value, answered over HTTP."""
