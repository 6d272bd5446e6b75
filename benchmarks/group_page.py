"""How fast `group.html` opens and scrolls in Chromium, with the pairs of a finished study or with many more of them.

    .venv/bin/pip install playwright; apt-get install chromium
    .venv/bin/python benchmarks/group_page.py STUDY --pairs 1000 --pictures build/pages

More pairs than the study has are its own with figures that vary by 8 %, groups and ages drawn at random.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from regexplain.cohort.group import write_group
from regexplain.cohort.pairs import Pair
from regexplain.cohort.study import Plan, Study

FRAMES = """async () => {
  const times = [];
  let last = performance.now();
  for (const end = last + 3000; last < end;) {
    window.scrollBy(0, 400);
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    times.push(now - last);
    last = now;
  }
  return times.sort((a, b) => a - b);
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("study", type=Path)
    parser.add_argument("--pairs", type=int, help="by default those of the study")
    parser.add_argument("--pictures", type=Path, help="a folder for screenshots")
    arguments = parser.parse_args()
    if arguments.pairs is None:
        look(arguments.study / "group.html", arguments.pictures)
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        multiply(arguments.study, Path(folder), arguments.pairs)
        page = Path(folder) / "group.html"
        print(
            f"{arguments.pairs} pairs, {page.stat().st_size / 1e6:.1f} MB, made in {time.perf_counter() - began:.1f} s"
        )
        look(page, arguments.pictures)


def multiply(study: Path, folder: Path, count: int) -> None:
    chance, pairs = random.Random(0), []
    known = sorted((study / "results").iterdir())
    for number in range(count):
        source, own = known[number % len(known)], folder / "results" / f"p{number:04d}"
        own.mkdir(parents=True)
        row = json.loads((source / "pair.json").read_text())
        row["figures"] = {name: varied(value, chance) for name, value in row["figures"].items()}
        if chance.random() < 0.05:
            row["look"] = chance.choice([["overlap"], ["folding", "there and back"], ["training images"]])
        (own / "pair.json").write_text(json.dumps(row))
        shutil.copy(source / "thumbnail.jpg", own)
        age, group, site = chance.uniform(20, 90), chance.choice(["patients", "controls"]), chance.choice("ABCD")
        pairs.append(Pair(own.name, {}, {"group": group, "age": f"{age:.0f}", "site": site}))
    failed = {"p-lost": ("There is no moving image at scan-0997.nii.gz.", "")}
    write_group(Study(folder), pairs, Plan(done=pairs, failed=failed))


def varied(value: float, chance: random.Random) -> float:
    return value * (1 + chance.gauss(0, 0.08)) if isinstance(value, float) else value


def look(page: Path, pictures: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        told: list[str] = []
        tab.on("console", lambda message: told.append(message.text))
        tab.on("pageerror", lambda error: told.append(str(error)))
        tab.on("request", lambda request: told.append(request.url) if request.url.startswith("http") else None)
        tab.goto("about:blank")
        began = time.perf_counter()
        tab.goto(page.absolute().as_uri())
        tab.wait_for_selector("#strips canvas")
        print(f"opened and drawn in {time.perf_counter() - began:.2f} s; the browser says: {told or 'nothing'}")
        times: list[float] = tab.evaluate(FRAMES)
        print(f"scrolled {len(times)} frames: median {times[len(times) // 2]:.0f} ms, longest {times[-1]:.0f} ms")
        check_works(tab)
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            tab.evaluate("scrollTo(0, 0)")
            tab.wait_for_timeout(500)
            tab.screenshot(path=str(pictures / f"{tab.evaluate('rows.length')}-top.png"))
            tab.evaluate("document.querySelector('#pairs').scrollIntoView()")
            tab.wait_for_timeout(500)
            tab.screenshot(path=str(pictures / f"{tab.evaluate('rows.length')}-table.png"))
        browser.close()


def check_works(tab: Any) -> None:
    """A column sorts, words filter, and a point's link leads to its report."""
    buttons = tab.locator("#pairs button")
    titles = buttons.all_text_contents()
    buttons.nth(titles.index("Moved mm")).click()
    column = tab.evaluate("document.querySelector('#pairs button[data-order]').parentElement.cellIndex")
    values = tab.evaluate(f"rows.map(row => parseFloat(row.cells[{column}].textContent))")
    assert values == sorted(values), "the table is not sorted"
    first = tab.evaluate("rows[0].querySelector('a').textContent")
    tab.fill("#find", first)
    assert tab.evaluate("body.rows.length") == 1, "the filter finds more or less than one pair"
    tab.fill("#find", "")
    assert tab.evaluate("body.rows[0].querySelector('a').getAttribute('href')") == f"results/{first}/report.html"


if __name__ == "__main__":
    main()
