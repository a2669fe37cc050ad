"""Work spread over threads, its results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor


def in_order(make: Callable, items: Iterable, workers: int) -> Iterator:
    """Call ``make`` with each item on some threads, and yield what it returns in their order.

    Threads are enough: NumPy and Pillow let go of the interpreter while they work on an array. A
    few results are made ahead, so memory does not grow with the number of items.
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
