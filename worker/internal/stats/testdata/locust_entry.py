"""Shows the same samples twice to the Locust that is installed here: logged
one by one as its own user would, and as the report of a worker to a master.

Reads a list of {"samples": [[milliseconds or null, bytes]], "report": {...}}
from standard input, writes a list of {"logged": {...}, "reported": {...}}.
"""

import json
import sys

from locust.event import Events
from locust.stats import RequestStats, setup_distributed_stats_event_listeners

PERCENTS = [0, 0.01, 0.25, 0.5, 0.66, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999, 1.0]


def describe(entry):
    return {
        "num_requests": entry.num_requests,
        "num_none_requests": entry.num_none_requests,
        "num_failures": entry.num_failures,
        "total_content_length": entry.total_content_length,
        "min": entry.min_response_time,
        "max": entry.max_response_time,
        "avg": entry.avg_response_time,
        "median": entry.median_response_time,
        # Older releases leave whole floats as keys.
        "response_times": {str(int(key)): count for key, count in entry.response_times.items()},
        "percentiles": [entry.get_response_time_percentile(percent) for percent in PERCENTS],
    }


def log(samples):
    entry = RequestStats().get("row", "GET")
    for milliseconds, length in samples:
        entry.log(milliseconds, length)
    return entry


def receive(report):
    for field in ("response_times", "num_reqs_per_sec", "num_fail_per_sec"):
        report[field] = {int(key): count for key, count in report[field].items()}
    events, master = Events(), RequestStats()
    setup_distributed_stats_event_listeners(events, master)
    events.worker_report.fire(client_id="worker", data={"stats": [report], "stats_total": report, "errors": {}})
    return master.get("row", "GET")


answers = [
    {"logged": describe(log(case["samples"])), "reported": describe(receive(case["report"]))}
    for case in json.load(sys.stdin)
]
json.dump(answers, sys.stdout)
