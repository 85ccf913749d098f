"""How a law is declared, so that a planted bug can be shown to break it."""

from collections.abc import Callable

import pytest
from hypothesis import Phase, given, settings

ALL, FEW = tuple(Phase), (Phase.explicit, Phase.generate)

LONG = pytest.mark.filterwarnings("ignore:Generating overly large repr")
"""What breaks a law may take some pages to write down."""


def law(examples: int, *, shrinks: bool = True, **strategies) -> Callable:
    """Declare a law over random histories; ``shrinks=False`` where looking for a smaller one takes too long.

    The test has an attribute ``quick``: more examples, up to the first that breaks the law and without the
    search for a smaller one, which is what a planted bug is tried on.
    """

    def declare(check: Callable) -> Callable:
        test = LONG(
            settings(max_examples=examples, phases=ALL if shrinks else FEW)(given(**strategies)(check))
        )
        generate_only = settings(
            max_examples=3 * examples, phases=FEW, report_multiple_bugs=False, database=None
        )
        test.quick = generate_only(given(**strategies)(check))
        return test

    return declare
