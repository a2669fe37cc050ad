"""Parallel computation on threads, with results in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor


def in_order(make: Callable, items: Iterable, workers: int) -> Generator:
    """Call ``make`` with each item on several threads, and yield the results in order.

    Threads are enough: NumPy and Pillow release the interpreter while they work on an array. Only a
    few results are computed ahead, so memory does not grow with the number of items.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        ahead = deque()
        for item in items:
            ahead.append(pool.submit(make, item))
            if len(ahead) > 2 * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
