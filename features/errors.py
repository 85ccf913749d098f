"""What can go wrong, and whose turn it is to act.

::

    HoldfastError
    * UserError              the caller can fix it: exit 2, HTTP 4xx
      x BusinessError        business.toml
      x DataError            a table breaks its contract
      x QuestionError        horizon longer than the history, nobody eligible, one class only
      x ContractMismatch     model and features disagree
    * QualityRefused         exit 3: a quality bar or promotion gate refused
    * ModelUnavailable       HTTP 503, Retry-After

Everything else is our bug: exit 1, HTTP 500.
Messages say what was wrong, what was expected and what to do; they never carry a customer id or value.
"""

import difflib
from collections.abc import Iterable


class HoldfastError(Exception):
    """The root of every error that Holdfast raises on purpose."""

    exit_code = 1


class UserError(HoldfastError):
    """The caller can fix it."""

    exit_code = 2


class BusinessError(UserError):
    """``business.toml`` says something that cannot be."""


class DataError(UserError):
    """A table breaks its contract."""


class QuestionError(UserError):
    """The question has no answer in this data."""


class ContractMismatch(UserError):  # noqa: N818  (the name is part of the published contract)
    """A model and the features it is given disagree."""


class QualityRefused(HoldfastError):  # noqa: N818  (the name is part of the published contract)
    """A quality bar or a promotion gate refused."""

    exit_code = 3


class ModelUnavailable(HoldfastError):  # noqa: N818  (the name is part of the published contract)
    """No model can answer now; ask again after ``retry_after`` seconds."""

    exit_code = 2
    retry_after = 30


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Advice that names the nearest known name and lists the others.

    Parameters
    ----------
    name : str
        What the caller wrote.
    known : iterable of str
        What would have been understood.

    Returns
    -------
    str
        One sentence or two, ready to end an error message.

    Examples
    --------
    >>> did_you_mean("custmer_id", ["customer_id", "amount"])
    'Did you mean customer_id? Known: amount, customer_id.'
    >>> did_you_mean("zzz", ["amount"])
    'Known: amount.'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    advice = f"Did you mean {near[0]}? " if near else ""
    return f"{advice}Known: {', '.join(names) or 'none'}."
