"""The shipped locustfile with weights for the tests, and a page that shows the
workers as they are now: the master's own page may be seconds old."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))

from flask import jsonify
from locust import events
from locustfile import HttpQpsUser, TcpEchoUser, TcpHoldUser, add_arguments  # noqa: E402,F401

# Not fixed counts: 2.12 can spin forever on them after a worker came back.
TcpHoldUser.weight = 4
TcpEchoUser.weight = 2
HttpQpsUser.weight = 1


@events.init.add_listener
def add_page(environment, **_):
    if not environment.web_ui:
        return

    @environment.web_ui.app.route("/workers-now")
    def workers_now():
        clients = environment.runner.clients.all
        return jsonify([{"id": c.id, "state": c.state, "user_count": c.user_count} for c in clients])
