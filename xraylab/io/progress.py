"""Progress bars, shown only in terminals and in live notebooks."""

import os
import sys
from typing import Any


def progress_bar(show: bool = True, **options: Any) -> Any:
    """Return a tqdm bar, which is shown in a terminal and in a live notebook.

    It is not shown in a log file and on a page of the book that is being rendered
    (``XRAYLAB_WIDGETS=static``).

    Args:
        show: whether to show the bar at all.
        options: arguments of ``tqdm``.
    """
    # Imported here: in a notebook tqdm imports ipywidgets, which importing xraylab must not.
    from tqdm.auto import tqdm

    static = os.environ.get("XRAYLAB_WIDGETS") == "static"
    terminal = sys.stderr is not None and sys.stderr.isatty()  # some services have none
    visible = not static and (terminal or "ipykernel" in sys.modules)
    return tqdm(disable=not (show and visible), leave=False, **options)
