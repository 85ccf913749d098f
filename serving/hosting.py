"""Starting the service: what ``holdfast serve`` calls."""

import ipaddress
import os
import sys
from pathlib import Path
from typing import NoReturn

from features.business import Business, load
from features.errors import UserError
from serving.keys import KeyStore, instant_now
from serving.settings import PREFIX, QUIET_ENVIRONMENT, Settings, read

SERVICE = "serving.service:Holdfast"


def serve(business_path: Path, host: str | None = None, port: int | None = None) -> NoReturn:
    """Become the service: one supervisor with one worker, until SIGTERM or SIGINT, then exit 0.

    Settings come from the environment (`serving.settings`); the arguments win over it.
    This process is replaced by BentoML's, so whoever started it keeps its process id.

    Raises
    ------
    BusinessError
        business.toml cannot be read.
    UserError
        A setting or the address is not usable.
    """
    settings = chosen(business_path, host, port)
    business = load(settings.business)
    command, environment = launch(settings, business)
    if (advice := key_advice(business)) is not None:
        print(advice, file=sys.stderr)  # noqa: T201  (said to the person who starts the service)
    print(f"Holdfast answers on http://{settings.host}:{settings.port}", file=sys.stderr, flush=True)  # noqa: T201  (as above)
    os.execve(sys.executable, command, environment)  # noqa: S606  (our own command)


def chosen(business_path: Path, host: str | None, port: int | None) -> Settings:
    """Return the settings of the environment with the arguments in their place."""
    given = {f"{PREFIX}BUSINESS": str(business_path)}
    if host is not None:
        given[f"{PREFIX}HOST"] = "127.0.0.1" if host == "localhost" else host
    if port is not None:
        given[f"{PREFIX}PORT"] = str(port)
    settings = read({**os.environ, **given})
    try:
        ipaddress.ip_address(settings.host)
    except ValueError:
        raise UserError(
            "The host must be an IP address of this machine, such as 127.0.0.1, or 0.0.0.0 for all of them."
        ) from None
    return settings


def launch(settings: Settings, business: Business) -> tuple[list[str], dict[str, str]]:
    """Return the command and environment that start the service under BentoML."""
    home = business.workspace / "bentoml"
    home.mkdir(parents=True, exist_ok=True)
    root = str(Path(__file__).resolve().parent.parent)
    command = [sys.executable, "-m", "bentoml", "serve", SERVICE, "--quiet", "--working-dir", root]
    command += ["--host", settings.host, "--port", str(settings.port)]
    # BentoML would write to the user's home; small requests are served best by one math thread.
    own = {"BENTOML_HOME": str(home), "OMP_NUM_THREADS": "1"}
    return command, {**os.environ, **QUIET_ENVIRONMENT, **own, **settings.environment()}


def key_advice(business: Business) -> str | None:
    """Say how to make a key where no key would work, None where one does."""
    now = instant_now()
    if any(key.allows(now) for key in KeyStore(business.workspace / "keys.db").entries()):
        return None
    return (
        "No key works yet, so every request will be answered with 401. "
        f"Make one: holdfast keys create NAME --scopes score,lookup {business.path}"
    )
