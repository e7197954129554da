"""The shipped locustfile, classes of known work, and doors into the master.

A worker of this repository's tests has the classes; SampleUser also works on a
Python worker, so that both report the same samples. The pages under
/conformance/ show what a master knows and make it send what a test wants.
"""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))

from locust import User, constant, events, task  # noqa: E402
from locust.exception import RPCError  # noqa: E402
from locustfile import Dummy, HttpQpsUser, TcpEchoUser, TcpHoldUser, add_arguments  # noqa: E402,F401


class IdleUser(Dummy):
    pass


class FaultUser(Dummy):
    pass


class ConfiguredUser(Dummy):
    pass


class LargeUser(Dummy):
    pass


class UnmappedUser(Dummy):
    """No worker has this class."""


class SampleUser(User):
    wait_time = constant(60)

    def on_start(self):
        for text in self.environment.parsed_options.sample_times.split(","):
            self.environment.events.request.fire(
                request_type="SAMPLE",
                name="given",
                response_time=float(text),
                response_length=11,
                exception=None,
                context={},
            )

    @task
    def nothing(self):
        pass


@events.init_command_line_parser.add_listener
def add_conformance_arguments(parser, **_):
    parser.add_argument("--sample-times", type=str, default="10")
    parser.add_argument("--sample-rate", type=float, default=0)
    parser.add_argument("--configured-shown", type=str, default="")
    parser.add_argument("--configured-hidden", type=str, default="", include_in_web_ui=False)
    try:
        parser.add_argument("--configured-secret", type=str, default="", is_secret=True)
    except TypeError:  # before 2.16
        parser.add_argument("--configured-secret", type=str, default="", include_in_web_ui=False)
    parser.add_argument("--configured-count", type=int, default=0)
    parser.add_argument("--configured-flag", action="store_true", default=False, include_in_web_ui=False)
    parser.add_argument("--large-rows", type=int, default=1)


def active(runner):
    """The workers among which the master spreads users, as often as it holds them."""
    dispatcher = getattr(runner, "_users_dispatcher", None)
    return [node.id for node in dispatcher._worker_nodes] if dispatcher else []


def break_connection(runner):
    """The next receive fails as it does when ZeroMQ reports an error."""

    def receive():
        raise RPCError("made by a test")

    runner.server.recv_from_client = receive


@events.init.add_listener
def open_doors(environment, **_):
    runner = environment.runner
    if environment.web_ui is None or not hasattr(runner, "server"):
        return
    from flask import request

    app = environment.web_ui.app
    received = []

    def keep(environment, msg, **_):
        received.append({"type": msg.type, "data": msg.data, "node": msg.node_id})

    runner.register_message("conformance_reply", keep)

    @app.route("/conformance/state")
    def conformance_state():
        return json.dumps(
            {
                "clients": {client.id: client.state for client in runner.clients.all},
                "active": active(runner),
                "received": received,
            }
        )

    @app.route("/conformance/send", methods=["POST"])
    def conformance_send():
        runner.send_message(request.form["type"], json.loads(request.form["data"]), request.form.get("to"))
        return "{}"

    @app.route("/conformance/break", methods=["POST"])
    def conformance_break():
        break_connection(runner)
        return "{}"
