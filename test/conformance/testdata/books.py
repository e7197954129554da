"""The three classes; most users hold."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))

from locustfile import HttpQpsUser, TcpEchoUser, TcpHoldUser, add_arguments  # noqa: E402,F401

HttpQpsUser.fixed_count = 20
TcpEchoUser.fixed_count = 200
