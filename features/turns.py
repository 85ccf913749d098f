"""Turns: some work on one thing after the other, on a few at once."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Material = TypeVar("Material")
Result = TypeVar("Result")


def in_turn(
    work: Callable[[Material], Result], materials: Iterable[Material], at_once: int
) -> Iterator[Result]:
    """Do some work on every material, in other threads, and give the results back in order.

    Materials are made in this thread, as they are needed: never more than one waits for its turn.

    Parameters
    ----------
    work : callable
    materials : iterable
    at_once : int
        How many threads work.

    Yields
    ------
    Result

    Examples
    --------
    >>> list(in_turn(lambda number: number**2, range(4), 2))
    [0, 1, 4, 9]
    """
    with ThreadPoolExecutor(at_once) as pool:
        pending: deque[Future[Result]] = deque()
        for material in materials:
            pending.append(pool.submit(work, material))
            if len(pending) > at_once:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
