"""The machine that a benchmark ran on, without its name, and the versions of what was compared."""

import importlib.metadata
import os
import platform
from collections.abc import Sequence


def described(packages: Sequence[str]) -> str:
    """Describe the machine, Python and some packages; those that are not installed are left out."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    installed = {found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}
    versions = ", ".join(f"{name} {installed[name]}" for name in packages if name in installed)
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {versions}."
    )
