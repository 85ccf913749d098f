"""Other times of day: what the clock says while something is computed."""

import datetime as calendar
import sys
import time
from contextlib import contextmanager
from unittest import mock

from features.windows import to_datetime

PACKAGES = ("features", "training")


@contextmanager
def clock_at(instant: int):
    """Let every clock that our packages can read show an instant (microseconds UTC)."""
    seconds = instant / 1_000_000

    class Frozen(calendar.datetime):
        @classmethod
        def now(cls, tz=None):
            return to_datetime(instant).astimezone(tz)

        @classmethod
        def utcnow(cls):
            return to_datetime(instant).replace(tzinfo=None)

        @classmethod
        def today(cls):
            return cls.utcnow()

    class FrozenDate(calendar.date):
        @classmethod
        def today(cls):
            return to_datetime(instant).date()

    shown = {"time": lambda: seconds, "time_ns": lambda: instant * 1000}
    with mock.patch.multiple(time, **shown):
        named = [name for name in sys.modules if name.split(".")[0] in PACKAGES]
        for module in [sys.modules[name] for name in named]:
            if getattr(module, "datetime", None) is calendar.datetime:
                module.datetime = Frozen
            if getattr(module, "date", None) is calendar.date:
                module.date = FrozenDate
        try:
            yield
        finally:
            for module in [sys.modules[name] for name in named]:
                if getattr(module, "datetime", None) is Frozen:
                    module.datetime = calendar.datetime
                if getattr(module, "date", None) is FrozenDate:
                    module.date = calendar.date
