"""What every test shares: Hypothesis's profile, quiet libraries, and the public data."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

os.environ.update(
    MLFLOW_DISABLE_TELEMETRY="true",
    BENTOML_DO_NOT_TRACK="True",
    OTEL_SDK_DISABLED="true",
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    OMP_WAIT_POLICY="PASSIVE",
)
os.environ.pop("MLFLOW_TRACKING_URI", None)

ROOT = Path(__file__).resolve().parent.parent

settings.register_profile(
    "laws", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("laws")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of public data sets; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("HOLDFAST_DATA", "../shared/data"))
    folder = folder if folder.is_absolute() else ROOT / folder
    if not folder.is_dir():
        pytest.skip("the public data sets are not here: set HOLDFAST_DATA to their folder")
    return folder
