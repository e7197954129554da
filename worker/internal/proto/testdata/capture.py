"""Stores what a real Locust master sends to a worker, as files for the tests.

Run it once with the Python of each Locust release that the tests shall know:

    python capture.py

It starts a master on loopback, joins it as a worker with a DEALER socket,
takes the master through a short test, and writes every kind of message that
arrives to captured/<release>/<kind>.msgpack beside this file.
"""

import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import locust
import msgpack
import zmq

NODE = "golden_5f0c6b1e"

LOCUSTFILE = '''
import datetime
from locust import User, constant, events, tag, task
import locust

class TcpHoldUser(User):
    fixed_count = 1
    wait_time = constant(1)
    @tag("hold")
    @task
    def nothing(self): pass

class HttpQpsUser(User):
    weight = 3
    wait_time = constant(1)
    @task
    def nothing(self): pass

class ChatUser(User):
    weight = 1
    @task
    def nothing(self): pass

@events.init_command_line_parser.add_listener
def options(parser):
    parser.add_argument("--upsurge-payload", type=int, default=64)
    parser.add_argument("--upsurge-rate", type=float, default=0.5)
    parser.add_argument("--upsurge-text", type=str, default="gr\\u00fc\\u00df dich")
    parser.add_argument("--upsurge-check", type=bool, default=True)
    parser.add_argument("--upsurge-sources", nargs="*", default=["127.0.0.2", "127.0.0.3"])
    parser.add_argument("--upsurge-nothing", default=None)
    parser.add_argument("--upsurge-secret", default="golden secret", include_in_web_ui=False)

@events.test_start.add_listener
def values(environment, **_):
    data = {
        "text": "x", "none": None, "yes": True, "integer": -5, "large": 2**63 + 1, "fraction": 0.25,
        "texts": ["a", "b"], "mixed": [1, "b", None], "nested": {"a": {"b": [1]}},
        "integers": {1: "one", -2: "minus two"}, "bytes": b"raw",
    }
    if tuple(int(n) for n in locust.__version__.split(".")[:2]) >= (2, 20):
        data["moment"] = datetime.datetime(2026, 8, 22, 0, 44, 41)
    environment.runner.send_message("upsurge_values", data)
'''


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Master:
    """A master under test, and the worker that listens to it."""

    def __init__(self, folder, extra):
        port, self.web = free_port(), free_port()
        pathlib.Path(folder, "locustfile.py").write_text(LOCUSTFILE, encoding="utf-8")
        command = [sys.executable, "-m", "locust", "-f", "locustfile.py", "--master"]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
        command += [a.format(web=self.web) for a in extra]
        self.process = subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.socket = zmq.Context.instance().socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, NODE.encode())
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.connect(f"tcp://127.0.0.1:{port}")
        self.state = "ready"
        self.beat_due = 0
        self.frames = {}

    def send(self, kind, data):
        self.socket.send(msgpack.dumps([kind, data, NODE]))

    def listen(self, wanted, seconds=20):
        """Keeps what arrives until the wanted kind does; plays the worker meanwhile."""
        end = time.time() + seconds
        while time.time() < end:
            if time.time() > self.beat_due:
                beat = {"state": self.state, "current_cpu_usage": 1.5, "current_memory_usage": 1}
                self.send("heartbeat", beat)
                self.beat_due = time.time() + 1
            if not self.socket.poll(100):
                continue
            frame = self.socket.recv()
            kind, data, _ = msgpack.loads(frame, strict_map_key=False)
            self.frames.setdefault(kind, []).append(frame)
            if kind == "spawn":
                counts = data["user_classes_count"]
                self.state = "running"
                self.send("spawning", None)
                self.send("spawning_complete", {"user_classes_count": counts, "user_count": sum(counts.values())})
            if kind == wanted:
                return True
        return False

    def post(self, path, **form):
        body = urllib.parse.urlencode(form).encode()
        urllib.request.urlopen(f"http://127.0.0.1:{self.web}{path}", body, timeout=10).read()

    def stop(self):
        """The page takes GET in old releases and POST in new ones."""
        try:
            self.post("/stop")
        except urllib.error.HTTPError:
            urllib.request.urlopen(f"http://127.0.0.1:{self.web}/stop", timeout=10).read()

    def wait_for_web(self):
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.web}/", timeout=10).read()
                return
            except OSError:
                time.sleep(0.2)
        raise SystemExit("the master's web interface didn't come up")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.socket.close()


def capture_web(folder):
    master = Master(folder, ["--web-host", "127.0.0.1", "--web-port", "{web}", "--class-picker", "--stop-timeout", "2"])
    try:
        master.wait_for_web()
        master.send("client_ready", -1)
        master.listen("ack")
        master.post("/swarm", user_count=4, spawn_rate=2, host="tcp://10.0.0.2:9001")
        master.listen("spawning_complete", 6)  # none before 2.29
        master.stop()
        master.listen("stop")
        counts = {"TcpHoldUser": 0, "HttpQpsUser": 0, "ChatUser": 0}
        master.send("spawning_complete", {"user_classes_count": counts, "user_count": 0})
        master.send("client_stopped", None)
        master.send("client_ready", -1)
        master.state = "ready"
        master.listen("ack")
        try:
            body = b'{"user_class_name": "HttpQpsUser", "weight": 5}'
            header = {"Content-Type": "application/json"}
            address = f"http://127.0.0.1:{master.web}/user"
            urllib.request.urlopen(urllib.request.Request(address, body, header), timeout=10).read()
            master.listen("update_user_class", 3)
        except OSError:
            pass  # before 2.25 there is no such page
        master.socket.send(msgpack.dumps(["heartbeat", None, NODE]) + b"\x00")
        master.listen("reconnect", 3)
        master.process.terminate()
        master.listen("quit", 5)
    finally:
        master.close()
    return master.frames


def capture_headless(folder):
    extra = ["--headless", "--expect-workers", "1", "-u", "3", "-r", "3", "-t", "2s"]
    master = Master(folder, extra)
    try:
        master.send("client_ready", -1)
        master.listen("quit", 30)
    finally:
        master.close()
    return {f"headless_{kind}": frames for kind, frames in master.frames.items() if kind in ("spawn", "quit")}


def main():
    target = pathlib.Path(__file__).parent / "captured" / locust.__version__
    target.mkdir(parents=True, exist_ok=True)
    os.environ.pop("LOCUST_HOST", None)
    with tempfile.TemporaryDirectory() as folder:
        captured = {**capture_web(folder), **capture_headless(folder)}
    for kind, frames in sorted(captured.items()):
        chosen = frames if kind == "spawn" else frames[:1]
        for number, frame in enumerate(chosen):
            suffix = f"_{number}" if len(chosen) > 1 else ""
            (target / f"{kind}{suffix}.msgpack").write_bytes(frame)
            print(locust.__version__, f"{kind}{suffix}", len(frame))


if __name__ == "__main__":
    main()
