"""A class that no worker has, and one whose options the test spoils."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "scripts"))

from locustfile import Dummy, HttpQpsUser, add_arguments  # noqa: E402,F401


class NobodyKnowsUser(Dummy):
    pass
