"""What the demo asks over HTTP: the master's web UI, the targets' counters."""

import http.client
import json
import urllib.error
import urllib.parse
import urllib.request

from processes import Failure, say

# Never by way of a proxy: everything is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get(url, form=None, timeout=10):
    """Fetches, or submits the form, and returns the decoded answer."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    with OPENER.open(url, data, timeout) as answer:
        return json.load(answer)


def try_get(url):
    """get for those who ask again: None when there is no answer."""
    try:
        return get(url)
    except (OSError, http.client.HTTPException, ValueError):
        return None


class Master:
    """The web UI of a master, used as its buttons use it."""

    def __init__(self, url):
        self.url = url

    def requests(self):
        """What the page shows; the master keeps it for two seconds."""
        return try_get(self.url + "/stats/requests")

    def start(self, form):
        self.submit("/swarm", form, timeout=10)

    def stop(self):
        """Returns when the master has the test stopped."""
        say(f"  $ curl -X POST {self.url}/stop")
        try:
            self.submit("/stop", {}, timeout=60)
        except urllib.error.HTTPError as error:
            if error.code != http.client.METHOD_NOT_ALLOWED:
                raise Failure(f"/stop: {error}") from error
            say(f"  $ curl {self.url}/stop")  # older releases take GET alone
            self.submit("/stop", None, timeout=60)

    def submit(self, path, form, timeout):
        try:
            answer = get(self.url + path, form, timeout)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Failure(f"the master does not answer {path}: {error}") from error
        if not answer.get("success"):
            raise Failure(f"the master refuses {path}: {answer.get('message')}")
