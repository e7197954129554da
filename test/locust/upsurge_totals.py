"""Writes a master's final figures to $UPSURGE_TEST_TOTALS when it ends.

A second locustfile for tests. It writes at the very end of the process, when
nothing can change the figures any more, and under a temporary name first, so
that a reader never sees half a file.
"""

import atexit
import json
import os

from locust import events

ENTRY_FIELDS = (
    "method",
    "name",
    "num_requests",
    "num_none_requests",
    "num_failures",
    "total_response_time",
    "min_response_time",
    "max_response_time",
    "total_content_length",
    "start_time",
    "last_request_timestamp",
)
ERROR_FIELDS = ("method", "name", "error", "occurrences")


def entry(stats_entry):
    fields = {field: getattr(stats_entry, field) for field in ENTRY_FIELDS}
    fields["response_times"] = [
        {"milliseconds": milliseconds, "count": count}
        for milliseconds, count in sorted(stats_entry.response_times.items())
    ]
    return fields


def error(stats_error):
    fields = {field: getattr(stats_error, field) for field in ERROR_FIELDS}
    fields["error"] = str(fields["error"])
    return fields


def exception(row):
    return {
        "count": row["count"],
        "msg": row["msg"],
        "traceback": row["traceback"],
        "nodes": ", ".join(sorted(row["nodes"])),
    }


def write(runner, path):
    stats = runner.stats
    totals = {
        "total": entry(stats.total),
        "entries": [entry(stats_entry) for stats_entry in stats.entries.values()],
        "errors": [error(stats_error) for stats_error in stats.errors.values()],
        "exceptions": [exception(row) for row in runner.exceptions.values()],
    }
    with open(path + ".new", "w") as file:
        json.dump(totals, file)
    os.replace(path + ".new", path)


@events.init.add_listener
def arrange(environment, **_):
    path = os.environ.get("UPSURGE_TEST_TOTALS")
    if path:
        atexit.register(write, environment.runner, path)
