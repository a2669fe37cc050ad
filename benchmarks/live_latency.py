"""Measure how long the live model of a built book takes to show a change, in headless Chromium.

Hides or shows a patch and waits until the pictures and the probabilities are drawn. Reports median
and 95th percentile, and those of the forward pass alone. A minute, after ``make book``::

    python benchmarks/live_latency.py
    python benchmarks/live_latency.py book/_build/html/try_it.html --changes 200
"""

import argparse
import platform
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "book" / "_build" / "html" / "try_it.html"
sys.path.insert(0, str(ROOT / "tools"))

from browser import chromium, open_page  # noqa: E402

CHANGES = """
async count => {
  const root = document.querySelector(".live");
  const patches = [...root.querySelectorAll(".patches button")];
  const shown = () => root.querySelector(".input img").src;
  const times = [];
  for (let i = 0; i < count; i++) {
    const [before, start] = [shown(), performance.now()];
    patches[(7 * i) % patches.length].click();
    while (shown() === before) await new Promise(requestAnimationFrame);
    times.push(performance.now() - start);
  }
  return times;
}
"""

FORWARD = """
async count => {
  const model = await xraylab_live.load("rr_vit");
  const image = new Float32Array(model.image_size ** 2).map((_, i) => (i % 251) / 251);
  return Array.from({length: count}, () => {
    const start = performance.now();
    model.forward(image);
    return performance.now() - start;
  });
}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("page", type=Path, nargs="?", default=PAGE, help="page with the live model")
    parser.add_argument("--changes", type=int, default=100)
    options = parser.parse_args()
    with chromium() as browser:
        print(f"{platform.processor() or platform.machine()}, Chromium {browser.version}")
        with open_page(browser, options.page) as page:
            page.locator(".sample").first.click()
            page.wait_for_function(
                "document.querySelector('.status').textContent.includes('No find')"
            )
            for name, script in (("change of a patch", CHANGES), ("forward pass", FORWARD)):
                page.evaluate(script, 5)  # compiles the code
                median, high = np.percentile(page.evaluate(script, options.changes), [50, 95])
                print(f"{name:18s} median {median:6.1f} ms, 95th percentile {high:6.1f} ms")


if __name__ == "__main__":
    main()
