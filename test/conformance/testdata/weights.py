"""Classes with weights, and one with a fixed count."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))

from locustfile import HttpQpsUser, TcpEchoUser, TcpHoldUser, add_arguments  # noqa: E402,F401

HttpQpsUser.fixed_count = 5
TcpHoldUser.weight = 3
TcpEchoUser.weight = 1
