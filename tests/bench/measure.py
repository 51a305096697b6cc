"""Runs the measurements and says how they compare with their floors and targets. Started by `run`, which brings matplotlib."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from table import Row, document, markdown
from plot import draw

PARTS = ["alone", "calls", "read_only", "recovery", "waiting", "growth", "steady"]


class Programs:
    """The servers, the load generator and the in-process benchmark, built for release."""

    def __init__(self):
        servers = ["-p", "durable-examples", "--bin", "bench", "--bin", "bench-plain", "--bin", "bench-load"]
        paths = built(servers) | built(["-p", "durable-tests", "--bench", "scale"])
        self.durable, self.plain = paths["bench"], paths["bench-plain"]
        self.load, self.scale = paths["bench-load"], paths["scale"]


def built(what):
    """Builds programs for release, and says where they are."""
    command = ["cargo", "build", "--release", "--locked", "--message-format", "json", *what]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = (json.loads(line) for line in output.splitlines())
    return {m["target"]["name"]: m["executable"] for m in messages if m.get("executable")}


class Measurements:
    """Figures as the programs print them; every one is kept in a file, also if a later one fails."""

    def __init__(self, programs, small, store, record):
        self.programs, self.small, self.store, self.record = programs, small, store, record

    def lines(self, command):
        print("$", " ".join(str(word) for word in command), file=sys.stderr)
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        with self.record.open("a") as record:
            record.write(output)
        return [json.loads(line) for line in output.splitlines()]

    def scale(self, what, *arguments):
        directory = ["--directory", self.store]
        return self.lines([self.programs.scale, what, *map(str, arguments), *directory])

    def load(self, tool, in_flight, transport="http", protocol="2026-07-28", plain=False, calls=None):
        seconds = "0.5" if self.small else "8"
        command = [self.programs.load, "--tool", tool, "--in-flight", str(in_flight), "--protocol", protocol]
        command += ["--calls", str(self.calls(calls))] if calls else ["--seconds", seconds]
        command += ["--warm-up", "0.2" if self.small else "1" if calls else "2"]
        server = ["--stdio"] if transport == "stdio" else ["--listen", "127.0.0.1:0"]
        if transport == "stdio":
            command.append("--stdio")
        with tempfile.TemporaryDirectory(dir=self.store) as store:
            started = [self.programs.plain] if plain else [self.programs.durable, "--store", f"{store}/bench.redb"]
            return self.lines([*command, "--", *started, *server])[0]

    def calls(self, full):
        return 200 if self.small else full

    def throughput(self, tool, in_flight, calls, *more):
        return self.scale("throughput", "--tool", tool, "--in-flight", in_flight, "--calls", self.calls(calls), *more)[0]

    def floor(self, in_flight, calls, tool="five_at_least"):
        calls = max(self.calls(calls), in_flight)
        return self.scale("floor", "--tool", tool, "--in-flight", in_flight, "--calls", calls)[0]


def median(measure, figure, times=3):
    """The run in the middle of several, by one of its figures."""
    return sorted((measure() for _ in range(times)), key=lambda run: run[figure])[times // 2]


def alone(m):
    """One call at a time. The parts are measured in turns, so that a slow minute of the disk is in all of them."""
    rows, count = [], 2500
    for tool in ["five_at_least", "five_at_most"]:
        turns = []
        for _ in range(1 if m.small else 5):
            # As many of each: a commit costs more in a larger file.
            floor = m.floor(1, count, tool)
            commits = floor["commits_per_round"] * floor["commit"]["p50_us"]
            plain = m.load("read_only", 1, plain=True)["p50_us"]
            http, local = m.load(tool, 1, calls=count), m.throughput(tool, 1, count)
            turns.append((http, commits + plain, commits, plain, local))
        turns.sort(key=lambda turn: turn[0]["p50_us"] / turn[1])
        http, floor, commits, plain, local = turns[len(turns) // 2]
        what = f"`{tool}` alone"
        said = f"{commits:.0f} for six bare commits + {plain:.0f} for a call in plain rmcp"
        limit = {"at_most_ratio": 1.2} if tool == "five_at_least" else {}
        rows.append(Row(f"{what} over HTTP, p50", http["p50_us"], "us", floor, said, **limit))
        rows.append(Row(f"{what} in process, p50", local["p50_us"], "us", commits, "six bare commits"))
        stdio = m.load(tool, 1, "stdio", "2025-11-25", calls=count)
        rows.append(Row(f"{what} over stdio, p50", stdio["p50_us"], "us", commits, "six bare commits"))
        session = m.load(tool, 1, protocol="2025-11-25", calls=count)
        rows.append(Row(f"{what} over HTTP in a session of 2025-11-25, p50", session["p50_us"], "us", floor, said))
    return rows, []


def calls(m):
    """Throughput over concurrency."""
    concurrency = [1, 16] if m.small else [1, 4, 16, 64, 256, 512]
    series, rows = {}, []

    def note(name, in_flight, run):
        series.setdefault(name, []).append((in_flight, run["calls_per_s"]))
        return run

    for in_flight in concurrency:
        many = min(60_000, 1500 * in_flight)
        bare = note("rows of five steps in bare redb commits", in_flight, m.floor(in_flight, many))
        plain = note("plain rmcp, read-only, HTTP", in_flight, m.load("read_only", in_flight, plain=True))
        note("read-only, HTTP", in_flight, m.load("read_only", in_flight))
        for tool in ["five_at_least", "five_at_most"]:
            local = note(f"{tool}, in process", in_flight, m.throughput(tool, in_flight, many))
            http = note(f"{tool}, HTTP", in_flight, m.load(tool, in_flight))
            if in_flight in (64, 256) or m.small and in_flight == 16:
                what = f"`{tool}`, {in_flight} in flight"
                bare_rows, is_target = "bare commits of their rows", in_flight >= 256
                rows.append(Row(f"{what} in process", local["calls_per_s"], "calls/s", bare["calls_per_s"], bare_rows,
                                at_least=20_000 if is_target else None))
                rows.append(Row(f"{what} over HTTP", http["calls_per_s"], "calls/s", plain["calls_per_s"],
                                "a read-only call in plain rmcp", at_least=6_000 if is_target else None))
                stdio = m.load(tool, in_flight, "stdio", "2025-11-25")
                rows.append(Row(f"{what} over stdio", stdio["calls_per_s"], "calls/s"))
                if is_target or m.small:
                    memory = m.throughput(tool, in_flight, many, "--memory")
                    rows.append(Row(f"CPU of a step, {what}", local["cpu_us_per_call"] / 5, "us",
                                    memory["cpu_us_per_call"] / 5, "with a store in memory", at_most=20))
    return rows, [series]


def read_only(m):
    """A read-only tool against the same in plain rmcp, in turns."""
    rows = []
    for transport, protocol in [("http", "2026-07-28"), ("http", "2025-11-25"), ("stdio", "2025-11-25")]:
        for in_flight in [1, 64]:
            turns = []
            for _ in range(1 if m.small else 5):
                plain = m.load("read_only", in_flight, transport, protocol, plain=True)
                turns.append((m.load("read_only", in_flight, transport, protocol), plain))
            turns.sort(key=lambda turn: turn[0]["calls_per_s"] / turn[1]["calls_per_s"])
            ours, plain = turns[len(turns) // 2]
            what = f"`read_only`, {in_flight} in flight, {transport}, {protocol}"
            rows.append(Row(what, ours["calls_per_s"], "calls/s", plain["calls_per_s"], "plain rmcp", at_least_ratio=0.95))
            rows.append(Row(f"CPU of {what}", ours["server_cpu_us_per_call"], "us", plain["server_cpu_us_per_call"],
                            "plain rmcp"))
    return rows, []


def recovery(m):
    """Opening a large store."""
    finished, unfinished = (2000, 50) if m.small else (1_000_000, 10_000)
    rows = []
    for quick in [[], ["--quick"]]:
        runs = m.scale("recovery", "--finished", finished, "--unfinished", unfinished, *quick)
        size = next(run for run in runs if run["figure"] == "recovery_store")["bytes"]
        what = f"{finished:,} finished, {unfinished:,} unfinished, {size / 2**30:.1f} GiB"
        how = ", with `quick_recovery`" if quick else ""
        for run in (run for run in runs if run["figure"] == "recovery"):
            target = 50 if quick or run["after"] == "clean stop" else None
            rows.append(Row(f"opening after a {run['after']}{how}: {what}", run["open_ms"], "ms", at_most=target))
            rows.append(Row(f"until all unfinished ones run again{how}", run["all_run_again_ms"], "ms"))
            if "ended_ms" in run:
                rows.append(Row(f"until all of them have ended{how}", run["ended_ms"], "ms"))
    return rows, []


def waiting(m):
    """Invocations that wait for a time."""
    count = 2000 if m.small else 100_000
    filled, woken = m.scale("waiting", "--invocations", count)
    what = f"{count:,} waiting invocations"
    return [
        Row(f"memory that {what} added", filled["grown_bytes"] / 1e6, "MB", at_most=200),
        Row(f"memory of a server opened with {what}", woken["resident_bytes"] / 1e6, "MB", at_most=200),
        Row(f"opening a store with {what}", woken["open_ms"], "ms"),
        Row(f"waking {what} at once, to the end of the last", woken["all_woken_ms"], "ms"),
        Row("CPU of one of them", woken["cpu_us_per_invocation"], "us"),
        Row("memory meanwhile, at most", woken["peak_bytes"] / 1e6, "MB"),
    ], []


def growth(m):
    """The cost of a step in a store that grows."""
    sizes = [1000, 10_000] if m.small else [10_000, 1_000_000, 10_000_000]
    runs = m.scale("growth", "--rows", ",".join(map(str, sizes)), "--calls", m.calls(20_000))
    rows = []
    for in_flight, figure, unit in [(256, "cpu_us_per_call", "us"), (256, "calls_per_s", "calls/s"), (1, "p50_us", "us")]:
        of_this = [run for run in runs if run["in_flight"] == in_flight]
        first = of_this[0]
        for run in of_this:
            name = {"cpu_us_per_call": "CPU of a call", "calls_per_s": "calls", "p50_us": "a call, p50"}[figure]
            limits = {}
            if run is not first:
                limits = {"at_least_ratio": 1 / 1.2} if figure == "calls_per_s" else {"at_most_ratio": 1.2}
            rows.append(Row(f"{name}, {in_flight} in flight, {run['rows']:,} rows", run[figure], unit, first[figure],
                            f"with {first['rows']:,} rows", **limits))
    return rows, []


def steady(m):
    """The file under a load that goes on, of calls that are forgotten soon."""
    seconds, kept = (3, 1) if m.small else (300, 10)
    looks = m.scale("steady", "--seconds", seconds, "--kept", kept)
    first, rows = looks[1], []
    for look in (first, looks[len(looks) // 2], looks[-1]):
        what = f"{look['calls']:,} calls in {look['seconds']:.0f} s, each kept for {kept} s"
        limits = {} if look is first else {"at_most_ratio": 1.2}
        size, first_size = look["store_bytes"] / 1e6, first["store_bytes"] / 1e6
        rows.append(Row(f"the file after {what}", size, "MB", first_size, f"after {first['seconds']:.0f} s", **limits))
    return rows, []


def machine():
    """What it was measured on."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores of {model}, Linux {kernel}, load {os.getloadavg()[0]:.1f} at the start"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="so small that it only shows that everything works")
    parser.add_argument("--only", choices=PARTS, action="append", help="this part; may be repeated")
    parser.add_argument("--write", action="store_true", help="put table and plot into docs/")
    parser.add_argument("--output", type=Path, default=Path("target/bench"), help="where figures and plot are kept")
    asked = parser.parse_args()
    where = machine()
    asked.output.mkdir(parents=True, exist_ok=True)
    record = asked.output / "figures.jsonl"
    record.write_text("")
    rows, plots = [], []
    with tempfile.TemporaryDirectory(dir=asked.output) as store:
        measurements = Measurements(Programs(), asked.small, store, record)
        for part in asked.only or PARTS:
            more_rows, more_plots = globals()[part](measurements)
            rows += more_rows
            plots += more_plots
    table = f"Measured on {where}.\n\n{markdown(rows)}"
    print(table)
    picture = None
    for series in plots:
        picture = asked.output / "throughput.png"
        draw(series, picture)
        print(f"\n{picture}")
    if asked.write:
        document(Path("docs/performance.md"), table, picture)


if __name__ == "__main__":
    main()
