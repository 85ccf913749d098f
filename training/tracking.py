"""Tracking and registry: the only door to MLflow.

Runs and models go to ``MLFLOW_TRACKING_URI`` where that is set, else to SQLite in the workspace.
A model is registered as ``<business>-<kind>`` with the aliases ``challenger`` and ``champion``;
the line of champions is kept on the registered model, so a rollback knows where to go.
"""

import json
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from features.business import Business
from features.errors import ModelUnavailable, UserError
from training import KINDS

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ASYNC_LOGGING": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "OTEL_SDK_DISABLED": "true",
    "GIT_PYTHON_REFRESH": "quiet",
}
"""Set before MLflow is imported: nothing is reported, nothing is looked up, no pickle is read."""

CHAMPION, CHALLENGER = "champion", "challenger"
_LINE = "champions"


@dataclass(frozen=True)
class Version:
    """One registered version of a model."""

    name: str
    number: int
    aliases: tuple[str, ...]
    run_id: str
    tags: Mapping[str, str]

    @property
    def text(self) -> str:
        """How the version is written in scores: ``<name>/<number>``."""
        return f"{self.name}/{self.number}"


class Tracking:
    """The runs and models of one business."""

    def __init__(self, business: Business) -> None:
        self.business = business
        own = f"sqlite:///{business.workspace / 'mlflow.db'}"
        self.uri = os.environ.get("MLFLOW_TRACKING_URI") or own
        self.is_own = self.uri == own

    @cached_property
    def client(self) -> Any:
        """The MLflow client, imported and connected when first needed."""
        os.environ.update({key: value for key, value in QUIET.items() if key not in os.environ})
        import mlflow

        logging.getLogger("mlflow").setLevel(logging.ERROR)
        logging.getLogger("alembic").setLevel(logging.ERROR)
        if self.is_own:
            self.business.workspace.mkdir(parents=True, exist_ok=True)
        self._point()
        return mlflow.MlflowClient(self.uri, self.uri)

    def _point(self) -> None:
        """Point MLflow's global functions here; the environment stays as the caller left it.

        MLflow writes the address into the environment, where it would pass for the caller's wish.
        """
        import mlflow

        wished = os.environ.get("MLFLOW_TRACKING_URI")
        mlflow.set_tracking_uri(self.uri)
        mlflow.set_registry_uri(self.uri)
        if wished is None:
            os.environ.pop("MLFLOW_TRACKING_URI", None)

    def model_name(self, kind: str) -> str:
        """Return the registered name of a kind of model."""
        return f"{self.business.business.name}-{kind}"

    @contextmanager
    def run(self, name: str, *, nested: bool = False) -> Iterator[str]:
        """Open a run of the business's experiment and give its id."""
        experiment = self._experiment()
        self._point()
        import mlflow

        with mlflow.start_run(experiment_id=experiment, run_name=name, nested=nested) as run:
            yield run.info.run_id

    def _experiment(self) -> str:
        name = self.business.business.name
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        place = (self.business.workspace / "artifacts").as_uri() if self.is_own else None
        return str(self.client.create_experiment(name, artifact_location=place))

    def log(
        self, params: Mapping[str, Any], figures: Mapping[str, float], documents: Mapping[str, Any]
    ) -> None:
        """Log parameters, metrics and documents (text as it is, all else as JSON) to the open run."""
        import mlflow

        mlflow.log_params(dict(params))
        mlflow.log_metrics(dict(figures))
        for name, document in documents.items():
            text = document if isinstance(document, str) else json.dumps(document, indent=1)
            mlflow.log_text(text, name)

    def of_run(self, run_id: str) -> dict[str, Version]:
        """Return what a run registered, by kind.

        Parameters
        ----------
        run_id : str
            A run of ``train``, or that of one model within it.

        Raises
        ------
        UserError
            There is no such run, or it registered no model.
        """
        client = self.client
        import mlflow

        try:
            experiment = client.get_run(run_id).info.experiment_id
        except mlflow.exceptions.MlflowException:
            experiment = None
        within = f"tags.`mlflow.parentRunId` = '{run_id}'"
        runs = [] if experiment is None else client.search_runs([experiment], within)
        wanted = {run_id, *(run.info.run_id for run in runs)}
        registered = [(kind, version) for kind in KINDS for version in self.versions(kind)]
        found = {kind: version for kind, version in registered if version.run_id in wanted}
        if not found:
            raise UserError(
                f"No model was registered by a run {run_id}. `holdfast models` names the run of every model."
            )
        return found

    def log_dataset(self, name: str, fingerprint: str, rows: int) -> None:
        """Log which snapshot of the store the open run was trained on, by its fingerprint."""
        import mlflow
        from mlflow.data.http_dataset_source import HTTPDatasetSource
        from mlflow.data.meta_dataset import MetaDataset

        source = HTTPDatasetSource(f"store:{fingerprint}")
        mlflow.log_input(MetaDataset(source, name=name, digest=fingerprint[:32]), context="training")
        mlflow.log_param("training_rows", rows)

    def register(self, kind: str, folder: Path, signature: Mapping[str, Mapping[str, str]]) -> Version:
        """Register a model folder as the newest version and call it challenger.

        Parameters
        ----------
        kind : str
            The kind of model.
        folder : Path
            What `training.artifact.save` wrote.
        signature : mapping
            ``inputs`` and ``outputs``: name of each column to ``double`` or ``string``.
        """
        name = self.model_name(kind)
        client = self.client
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema

        inputs, outputs = (
            Schema([ColSpec(dtype, column, required=False) for column, dtype in signature[side].items()])
            for side in ("inputs", "outputs")
        )
        with warnings.catch_warnings():
            # An input example would carry values of customers, or invented ones that mean nothing.
            warnings.filterwarnings("ignore", message=".*input example was not provided.*")
            info = mlflow.pyfunc.log_model(
                name=kind,
                loader_module="training.artifact",
                data_path=str(folder),
                pip_requirements=["holdfast"],
                signature=ModelSignature(inputs, outputs),
            )
        number = self._new_version(name, info)
        client.set_registered_model_alias(name, CHALLENGER, number)
        return self.version(kind, number)

    def _new_version(self, name: str, info: Any) -> int:
        """Register a logged model; the client does so without printing."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        made = self.client.create_model_version(
            name, source=info.model_uri, run_id=info.run_id, model_id=info.model_id
        )
        return int(made.version)

    def note_gate(self, version: Version, refusals: tuple[str, ...]) -> None:
        """Write on a version what the gate said of it."""
        said = "; ".join(refusals) or "passed"
        self.client.set_model_version_tag(version.name, str(version.number), "gate", said)

    def versions(self, kind: str) -> list[Version]:
        """Every registered version, newest first; none where nothing was registered."""
        name = self.model_name(kind)
        found = self.client.search_model_versions(f"name = '{name}'")
        numbers = sorted((int(version.version) for version in found), reverse=True)
        return [self.version(kind, number) for number in numbers]

    def version(self, kind: str, number: int) -> Version:
        """Return one version by its number."""
        found = self.client.get_model_version(self.model_name(kind), str(number))
        return _version(found)

    def champion(self, kind: str) -> Version | None:
        """Return the version that answers now, None where there is none."""
        from_alias = self.client.get_model_version_by_alias
        import mlflow

        try:
            return _version(from_alias(self.model_name(kind), CHAMPION))
        except mlflow.exceptions.MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise ModelUnavailable(f"The registry does not answer: {error.error_code}.") from None

    def folder(self, version: Version) -> Path:
        """Return the local folder of a version's model, fetched where the registry is remote."""
        client = self.client
        import mlflow

        uri = client.get_model_version_download_uri(version.name, str(version.number))
        place = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri))
        manifests = sorted(place.glob("data/*/manifest.json"))
        if len(manifests) != 1:
            raise ModelUnavailable(f"{version.text} holds no model folder of Holdfast.")
        return manifests[0].parent

    def promote(self, kind: str, number: int) -> None:
        """Make a version the champion and remember the one before."""
        name = self.model_name(kind)
        line = [*self._line(kind), number]
        self.client.set_registered_model_tag(name, _LINE, json.dumps(line))
        self.client.set_registered_model_alias(name, CHAMPION, number)
        if CHALLENGER in self.version(kind, number).aliases:
            self.client.delete_registered_model_alias(name, CHALLENGER)

    def rollback(self, kinds: Sequence[str]) -> list[Version]:
        """Make the champions before these champions again, all of them or none.

        Raises
        ------
        UserError
            A kind had no champion before this one.
        """
        lines = {kind: self._line(kind) for kind in kinds}
        for kind, line in lines.items():
            if len(line) < 2:  # noqa: PLR2004  (this one and the one before)
                raise UserError(
                    f"{self.model_name(kind)} has had no champion before this one: nothing to go back to."
                )
        for kind, line in lines.items():
            name = self.model_name(kind)
            self.client.set_registered_model_alias(name, CHAMPION, line[-2])
            self.client.set_registered_model_tag(name, _LINE, json.dumps(line[:-1]))
        return [self.version(kind, line[-2]) for kind, line in lines.items()]

    def _line(self, kind: str) -> list[int]:
        """Numbers of the champions so far, the present one last."""
        client = self.client
        import mlflow

        try:
            tags = client.get_registered_model(self.model_name(kind)).tags
        except mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return []
        line: list[int] = json.loads(tags.get(_LINE, "[]"))
        return line


def _version(found: Any) -> Version:
    return Version(found.name, int(found.version), tuple(found.aliases), found.run_id, dict(found.tags))
