"""The master's side of Upsurge: start Locust with it, then any number of
Upsurge workers.

    locust -f locustfile.py --master
    upsurge worker

The classes do nothing here. Their names are the contract: the master says how
many users of each class a worker shall run, and the worker runs its own class
of that name. The arguments are the options of those classes; the web UI shows
them, and workers get them with each test.

Made by "upsurge locustfile"; print it anew rather than edit the arguments.
"""

from locust import User, constant, events, task


# Switches are text: Locust 2.12 shows no field for a bool, and would turn
# every text that is sent for one into True.
def switch(text):
    return {"yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false"}.get(
        text.lower(), text.lower()
    )


@events.init_command_line_parser.add_listener
def add_arguments(parser, **_):
    parser.add_argument(
        "--tcp-hold-host",
        type=str, default="",
        help="target as host:port, or several: a comma between, or ranges as in 10.0.0.1-4:9000-9003; empty takes the test's host",
    )
    parser.add_argument(
        "--tcp-connect-timeout",
        type=str, default="10s",
        help="time for a connection to be established",
    )
    parser.add_argument(
        "--tcp-source-ips",
        type=str, default="",
        help="local addresses to connect from, divided over the worker's processes: a list with commas, ranges (10.0.0.10-20), networks (10.0.1.0/28); empty leaves it to the system",
    )
    parser.add_argument(
        "--tcp-connects-in-flight",
        type=int, default=0,
        help="most connects under way at a time on each event loop; 0 sets no limit",
    )
    parser.add_argument(
        "--tcp-hold-expect",
        type=str, default="ok",
        help="payload that each push must be; empty accepts anything",
    )
    parser.add_argument(
        "--tcp-hold-wait-min",
        type=str, default="100ms",
        help="least wait between two receives, and before a reconnect",
    )
    parser.add_argument(
        "--tcp-hold-wait-max",
        type=str, default="1s",
        help="longest wait between two receives, and before a reconnect",
    )
    parser.add_argument(
        "--tcp-hold-reconnect",
        type=switch, default="true", choices=["true", "false"],
        help="connect again after a failure; false stays down",
    )
    parser.add_argument(
        "--tcp-echo-host",
        type=str, default="",
        help="target as host:port, or several: a comma between, or ranges as in 10.0.0.1-4:9000-9003; empty takes the test's host",
    )
    parser.add_argument(
        "--tcp-echo-payload",
        type=str, default="ping",
        help="text to send",
    )
    parser.add_argument(
        "--tcp-echo-payload-size",
        type=int, default=0,
        help="bytes to send: the payload repeated or cut to this length; 0 sends it as it is",
    )
    parser.add_argument(
        "--tcp-echo-interval",
        type=str, default="1s",
        help="time from one send to the next, and before a reconnect; a late echo delays the next send",
    )
    parser.add_argument(
        "--tcp-echo-timeout",
        type=str, default="10s",
        help="time for the whole echo to come back",
    )
    parser.add_argument(
        "--http-host",
        type=str, default="",
        help="target such as http://10.0.0.2:8080 or https://user:password@example.org/base; empty: the test's host",
    )
    parser.add_argument(
        "--http-client",
        type=str, default="auto", choices=["auto", "engine", "fasthttp"],
        help="engine: event loops, for plain http; fasthttp: a goroutine per user; auto: engine, but fasthttp for https and for requests of more than 1 MiB",
    )
    parser.add_argument(
        "--http-method",
        type=str, default="GET",
        help="request method",
    )
    parser.add_argument(
        "--http-path",
        type=str, default="/",
        help="path and query, appended to the target's own path",
    )
    parser.add_argument(
        "--http-header",
        type=str, default="",
        help="header fields, one \"Name: value\" per line; \\n may stand for a line's end",
    )
    parser.add_argument(
        "--http-body",
        type=str, default="",
        help="request body",
    )
    parser.add_argument(
        "--http-payload-size",
        type=int, default=0,
        help="bytes of a generated request body, when there is no --http-body",
    )
    parser.add_argument(
        "--http-timeout",
        type=str, default="10s",
        help="limit for a connect, TLS included, and again for a request until its answer is read",
    )
    parser.add_argument(
        "--http-expect-status",
        type=str, default="",
        help="status codes and classes that count as success, such as 200,204,3xx; empty: 200 to 399 (redirects are not followed)",
    )
    parser.add_argument(
        "--http-expect-body",
        type=str, default="",
        help="text that the body of the answer must equal, a line end after it aside; empty: anything",
    )
    parser.add_argument(
        "--http-wait-min",
        type=str, default="0s",
        help="shortest wait between an answer and the next request",
    )
    parser.add_argument(
        "--http-wait-max",
        type=str, default="0s",
        help="longest wait between an answer and the next request",
    )
    parser.add_argument(
        "--http-ca-file",
        type=str, default="",
        help="file on the worker's host with the certificates (PEM) to trust for https instead of the system's",
    )
    parser.add_argument(
        "--http-insecure",
        type=switch, default="false", choices=["true", "false"],
        help="skip the verification of the target's certificate",
    )
    parser.add_argument(
        "--http-name",
        type=str, default="",
        help="name in the statistics; empty: the path",
    )
    parser.add_argument(
        "--http-keep-alive",
        type=switch, default="true", choices=["true", "false"],
        help="keep a user's connection; false: a new one for each request, connected before the latency starts to count",
    )


class Dummy(User):
    """A class whose users live on Upsurge workers."""

    abstract = True
    wait_time = constant(60)

    @task
    def on_the_worker(self):
        pass


class TcpHoldUser(Dummy):
    """holds one TCP connection and checks what the server pushes"""


class TcpEchoUser(Dummy):
    """sends a payload at an interval over one TCP connection and checks the echo"""


class HttpQpsUser(Dummy):
    """sends HTTP requests as fast as the answers come, or with a wait between them, over one connection per user"""
