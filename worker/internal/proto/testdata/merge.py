"""Feeds encoded messages to Locust's own code and prints what it makes of them.

    python merge.py file.msgpack ...

Each file goes through Locust's unserialize; stats messages are then merged as
a master merges them. The output is one JSON object.
"""

import csv
import io
import json
import sys

import locust
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.stats import StatsCSV, get_error_report_summary, get_stats_summary, setup_distributed_stats_event_listeners


def entry(e):
    return {
        "num_requests": e.num_requests,
        "num_none_requests": e.num_none_requests,
        "num_failures": e.num_failures,
        "total_content_length": e.total_content_length,
        "total_response_time": e.total_response_time,
        "max_response_time": e.max_response_time,
        "min_response_time": e.min_response_time,
        "start_time": e.start_time,
        "last_request_timestamp": e.last_request_timestamp,
        "response_times": sorted(e.response_times.items()),
        "num_reqs_per_sec": sorted(e.num_reqs_per_sec.items()),
        "num_fail_per_sec": sorted(e.num_fail_per_sec.items()),
        "total_rps": e.total_rps,
    }


def main():
    environment = Environment()
    stats = environment.stats
    setup_distributed_stats_event_listeners(environment.events, stats)
    # a master's own entries begin when it starts; ours must be earlier to show
    stats.total.start_time = float("inf")
    messages, totals = [], []
    for path in sys.argv[1:]:
        with open(path, "rb") as f:
            message = Message.unserialize(f.read())
        messages.append({"type": message.type, "data": message.data, "node": message.node_id})
        if message.type == "stats":
            for handler in environment.events.worker_report._handlers:  # fire() would swallow what they raise
                handler(client_id=message.node_id, data=message.data)
            totals.append(entry(stats.total))
    # what the master's pages, console and downloads do with the result
    rows = io.StringIO()
    writer = csv.writer(rows)
    StatsCSV(environment, [0.5]).failures_csv(writer)
    get_stats_summary(stats)
    get_error_report_summary(stats)
    print(json.dumps({
        "version": locust.__version__,
        "messages": messages,
        "totals": totals,
        "entries": [[name, method, entry(e)] for (name, method), e in sorted(stats.entries.items())],
        "errors": sorted(
            [
                {
                    "method": e.method, "name": e.name, "error": e.error, "occurrences": e.occurrences,
                    "first_seen": getattr(e, "first_seen", None), "last_seen": getattr(e, "last_seen", None),
                }
                for e in stats.errors.values()
            ],
            key=lambda e: e["error"],
        ),
        "csv": rows.getvalue(),
    }, allow_nan=False))


if __name__ == "__main__":
    main()
