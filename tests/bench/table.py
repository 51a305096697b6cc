"""One table of figures, each beside its floor and its target."""

import shutil
from dataclasses import dataclass

BEGIN, END = "<!-- figures: tests/bench/run --write -->", "<!-- end of figures -->"


def shown(value):
    """Three digits that mean something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


@dataclass
class Row:
    """A figure. A ratio is that of the figure to its floor."""

    figure: str
    value: float
    unit: str
    floor: float | None = None
    floor_is: str = ""
    at_least: float | None = None
    at_most: float | None = None
    at_least_ratio: float | None = None
    at_most_ratio: float | None = None

    def target(self):
        """The target in words, and whether it is met; `None` where there is none."""
        ratio = self.value / self.floor if self.floor else None
        for limit, value, sign, unit in [
            (self.at_least, self.value, ">=", f" {self.unit}"),
            (self.at_most, self.value, "<=", f" {self.unit}"),
            (self.at_least_ratio, ratio, ">=", " x"),
            (self.at_most_ratio, ratio, "<=", " x"),
        ]:
            if limit is not None and value is not None:
                return f"{sign} {shown(limit)}{unit}", value >= limit if sign == ">=" else value <= limit
        return None

    def cells(self):
        """The row's cells as text."""
        floor = ratio = target = met = ""
        if self.floor:
            floor = f"{shown(self.floor)} ({self.floor_is})"
            ratio = f"{self.value / self.floor:.2f}"
        if said := self.target():
            target, met = said[0], "yes" if said[1] else "**no**"
        return [self.figure, f"{shown(self.value)} {self.unit}", floor, ratio, target, met]


def markdown(rows):
    """The table."""
    lines = [["figure", "measured", "floor", "ratio", "target", "met"], ["---", "---:", "---", "---:", "---", "---"]]
    lines += [row.cells() for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def document(page, table, picture):
    """Puts the table between its marks in the page, and the plot beside the page."""
    text = page.read_text()
    before, rest = text.split(BEGIN, 1)
    _, after = rest.split(END, 1)
    image = ""
    kept = page.parent / "throughput.png"
    if picture:
        shutil.copyfile(picture, kept)
    if kept.exists():
        image = f"\n![Throughput over concurrency]({kept.name})\n"
    page.write_text(f"{before}{BEGIN}\n\n{table}{image}\n{END}{after}")
