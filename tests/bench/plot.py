"""Throughput over concurrency, as a picture."""

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot, ticker  # noqa: E402


def draw(series, path):
    """Draws each series, a list of pairs of calls in flight and calls a second, over logarithmic axes."""
    figure, axes = pyplot.subplots(figsize=(9, 6), layout="constrained")
    for name, points in series.items():
        in_flight, calls = zip(*points)
        style = "--" if "plain" in name or "bare" in name else "-"
        axes.plot(in_flight, calls, style, marker="o", markersize=4, label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(ticker.FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("calls in flight")
    axes.set_ylabel("calls a second")
    axes.grid(True, which="both", alpha=0.25)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
