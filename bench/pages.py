"""Pages of which a part is made from ``bench/published/``: the figures they tell are those that were measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench.optimize_tables import optimised_versions
from bench.performance import first_figures, where_time_goes
from bench.readme import headline
from bench.results import PUBLISHED

CHECKOUT = Path(__file__).parents[1]
BEGIN = "<!-- made by `python -m bench --render` from bench/published/ -->"
END = "<!-- end of what is made -->"
#: Page -> what makes its part of the folder of published results.
PAGES: dict[Path, Callable[[Path], str]] = {
    CHECKOUT / "bench" / "README.md": headline,
    CHECKOUT / "README.md": first_figures,
    CHECKOUT / "docs" / "explanation" / "performance.md": where_time_goes,
    CHECKOUT / "docs" / "explanation" / "optimised-versions.md": optimised_versions,
}


def split(text: str) -> tuple[str, str, str]:
    """
    Part a page into what stands before the made text, the made text, and what stands after it.

    :raises ValueError: for a page without the markers.
    """
    before, begin, rest = text.partition(f"{BEGIN}\n\n")
    made, end, after = rest.partition(f"\n\n{END}")
    if not begin or not end:
        raise ValueError(f"The page lacks the line {BEGIN} or {END}.")
    return before + begin, made, end + after


def rewrite(page: Path, make: Callable[[Path], str], published: Path = PUBLISHED) -> None:
    """Make a page's part again, and leave the rest of it as it is."""
    before, _, after = split(page.read_text(encoding="utf-8"))
    page.write_text(before + make(published) + after, encoding="utf-8")


def rewrite_all() -> None:
    """Make the parts of all pages again."""
    for page, make in PAGES.items():
        rewrite(page, make)
