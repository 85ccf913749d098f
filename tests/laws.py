"""How a law is declared, so that a planted bug can be shown to break it."""

from collections.abc import Callable

from hypothesis import Phase, given, settings


def law(examples: int, **strategies) -> Callable:
    """Declare a law over random histories.

    The test has an attribute ``quick``: more examples, up to the first that breaks the law and without the
    search for a smaller one, which is what a planted bug is tried on.
    """

    def declare(check: Callable) -> Callable:
        test = settings(max_examples=examples)(given(**strategies)(check))
        generate_only = settings(
            max_examples=3 * examples, phases=[Phase.generate], report_multiple_bugs=False, database=None
        )
        test.quick = generate_only(given(**strategies)(check))
        return test

    return declare
