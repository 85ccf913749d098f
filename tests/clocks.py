"""Other times of day: what the clock says while something is computed."""

import datetime as dt
import sys
import time
from contextlib import ExitStack, contextmanager
from unittest import mock

from features.windows import to_datetime

PACKAGES = ("features", "training")


@contextmanager
def clock_at(instant: int):
    """Let every clock that our packages can read show an instant (microseconds UTC)."""
    frozen = _frozen(instant)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(time, "time", return_value=instant / 1_000_000))
        stack.enter_context(mock.patch.object(time, "time_ns", return_value=instant * 1000))
        for module in [module for name, module in sys.modules.items() if name.split(".")[0] in PACKAGES]:
            for name, real in (("datetime", dt.datetime), ("date", dt.date)):
                if getattr(module, name, None) is real:
                    stack.enter_context(mock.patch.object(module, name, frozen[name]))
        yield


def _frozen(instant: int) -> dict[str, type]:
    """The classes ``datetime`` and ``date`` at an instant that does not pass."""

    class FrozenTime(dt.datetime):
        @classmethod
        def now(cls, tz=None):
            return to_datetime(instant).astimezone(tz)

        @classmethod
        def utcnow(cls):
            return to_datetime(instant).replace(tzinfo=None)

        @classmethod
        def today(cls):
            return cls.utcnow()

    class FrozenDate(dt.date):
        @classmethod
        def today(cls):
            return to_datetime(instant).date()

    return {"datetime": FrozenTime, "date": FrozenDate}
