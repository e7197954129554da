"""The demo's locustfile: the shipped classes, with a fixed number of HTTP users
whatever the number of users is, so that all others hold connections."""

import pathlib
import sys

from demo_counts import HTTP_USERS

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent))

from locustfile import HttpQpsUser, TcpHoldUser  # noqa: E402

HttpQpsUser.fixed_count = HTTP_USERS
