"""Reads what the conformance suite found: nothing fails, nothing warns, and what is skipped is expected.

Usage: check.py REVISION DIRECTORY
"""

import json
import sys
from collections import Counter
from pathlib import Path

# What is not a success, each with its reason.
EXPECTED = {
    ("2026-07-28", "tasks-status-notifications"): "SKIPPED",  # The suite cannot observe these notifications yet.
    # It calls tools that tell nothing, and their answers are JSON documents.
    ("2026-07-28", "server-sse-streams-functional"): "INFO",
}
# Fewer mean that the suite has not run.
LEAST = {"2025-11-25": 84, "2026-07-28": 196}
SCENARIOS = {"2025-11-25": 33, "2026-07-28": 50}

revision, directory = sys.argv[1], Path(sys.argv[2])
files = sorted(directory.rglob("checks.json"))
found, wrong, seen = Counter(), [], set()
for file in files:
    for check in json.loads(file.read_text()):
        status = check["status"]
        found[status] += 1
        key = (revision, check["id"])
        if EXPECTED.get(key) == status:
            seen.add(key)
            continue
        if status in ("SUCCESS", "INFO"):
            continue
        wrong.append(f"{file.parent.name}: {check['id']}: {status}: {check.get('errorMessage')}")
wrong += [f"{check} was expected not to succeed, and has" for at, check in EXPECTED if at == revision and (at, check) not in seen]
if len(files) < SCENARIOS[revision]:
    wrong.append(f"only {len(files)} scenarios have run")
if found["SUCCESS"] < LEAST[revision]:
    wrong.append(f"only {found['SUCCESS']} checks have passed, and {LEAST[revision]} did before")
print(f"conformance {revision}: {len(files)} scenarios, {dict(found)}")
if wrong:
    sys.exit("\n".join(wrong))
