"""The three books of a test: what the master shows, what the workers counted
themselves, and what the targets counted as witnesses."""

import json

# A row of the statistics, and the counter of a target that stands against it.
ROWS = [
    ("TCP", "connect", "push", "accepted"),
    ("TCP", "recv", "push", "messages_sent"),
    ("GET", "/", "http", "requests"),
]


def of_master(requests):
    """{(method, name): (requests, failures)} from /stats/requests."""
    return {
        (row["method"], row["name"]): (row["num_requests"], row["num_failures"])
        for row in requests["stats"]
        if row["name"] != "Aggregated"
    }


def of_workers(files):
    """The same from the files of all workers, added up."""
    sums = {}
    for file in files:
        for row in json.loads(file.read_text())["requests"]:
            key = (row["method"], row["name"])
            requests, failures = sums.get(key, (0, 0))
            sums[key] = (requests + row["count"], failures + row["failures"])
    return sums


def table(master, workers, targets):
    """The lines to print."""
    lines = [
        f"{'':14}{'master':>22}{'workers':>22}{'targets':>28}",
        f"{'':14}{'requests':>12}{'failures':>10}{'requests':>12}{'failures':>10}",
    ]
    for method, name, target, counter in ROWS:
        line = f"{method + ' ' + name:14}"
        for book in (master, workers):
            requests, failures = book.get((method, name), (0, 0))
            line += f"{requests:12,}{failures:10,}"
        lines.append(line + f"{targets[target][counter]:14,} {counter}")
    return lines


def differences(master, workers, targets):
    """One line for each disagreement."""
    found = []
    for key in sorted(master.keys() | workers.keys()):
        if master.get(key) != workers.get(key):
            found.append(f"{' '.join(key)}: master {master.get(key)}, workers {workers.get(key)} (requests, failures)")
    for method, name, target, counter in ROWS:
        requests, failures = master.get((method, name), (0, 0))
        counted = targets[target][counter]
        surplus = counted - (requests - failures)
        if surplus:
            found.append(
                f"{method} {name}: the master shows {requests - failures:,} successes, "
                f"the {target} target's {counter} is {counted:,} ({surplus:+,}); "
                f"it had {targets[target]['errors']:,} connections that ended with an error"
            )
    return found
