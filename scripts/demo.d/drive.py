"""Drives the demo: starts the processes, runs a test through the master's web
UI, and compares the books. Run by scripts/demo; needs Python 3.9 and no packages."""

import argparse
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time

import books
from demo_counts import HTTP_USERS
from processes import Failure, Family, Interrupted, say
from web import Master, try_get

UPSURGE = "bin/upsurge"
WORKERS = 2
SPAWN_RATE = 2000
PUSH_INTERVAL = "10s"  # several pushes to each connection in a minute
PROGRESS_SECONDS = 5
UI_PORT = 8089


def setting(name, default):
    """A whole number above 0 from the environment."""
    text = os.environ.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        say(f"demo: {name}={text}: want a whole number above 0")
        sys.exit(2)
    return int(text)


def free_port():
    """A port of loopback that nobody listens on. It lies below the range that
    the kernel takes for outgoing connections, of which there will be many."""
    for port in random.sample(range(10000, 30000), 1000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise Failure("no free port from 10000 to 30000 on 127.0.0.1")


def ui_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", UI_PORT))
        except OSError as error:
            raise Failure(f"port {UI_PORT}, where the web UI belongs, is taken ({error.strerror}): "
                          "is another Locust running? End it and try again") from error
    return UI_PORT


def check_descriptors(users):
    """The push target holds all connections in one process."""
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit != resource.RLIM_INFINITY and limit < users + 200:
        raise Failure(f"a process may open only {limit} files here (ulimit -Hn), {users} connections need more: "
                      f"raise the limit, or set DEMO_USERS={max(limit - 200, 1)}")


class Demo:
    """One run. Its processes belong to the family."""

    def __init__(self, locust, ui, users, seconds, folder):
        self.locust, self.ui, self.folder = locust, ui, folder
        self.users, self.seconds = users, seconds
        self.family = Family(folder)
        self.admin = {}  # target: URL of its counters

    def start_target(self, kind, *options):
        """Starts a target on a port of its choice and returns the address."""
        process = self.family.start(f"target-{kind}", [
            UPSURGE, "target", kind, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", *options])
        find = re.compile(r"^listening on (\S+)\nadmin on (\S+)$", re.MULTILINE)
        address, admin = self.family.wait_for(f"{process.name} to listen", lambda: find.search(process.text())).groups()
        say(f"      listening on {address}, admin on {admin}")
        self.admin[kind] = f"http://{admin}/stats"
        return address

    def start_all(self):
        check_descriptors(self.users)
        web_port = ui_port() if self.ui else free_port()
        say("Starting on loopback, logs in " + str(self.folder))
        push = self.start_target("push", "--interval", PUSH_INTERVAL)
        http = self.start_target("http")
        self.start_master(web_port, push, http)

    def start_master(self, web_port, push, http):
        port = free_port()
        while port == web_port:
            port = free_port()
        self.family.start("master", [
            self.locust, "-f", "scripts/demo.d/demo_users.py", "--master",
            "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port),
            "--web-host", "127.0.0.1", "--web-port", str(web_port),
            "-u", str(self.users + HTTP_USERS), "-r", str(SPAWN_RATE),
            "--tcp-hold-host", push, "--http-host", f"http://{http}",
            "--http-wait-min", "10ms", "--http-wait-max", "30ms"])
        self.master = Master(f"http://127.0.0.1:{web_port}")
        self.family.wait_for("the master's web UI", self.master.requests)
        say("      web UI on " + self.master.url)
        self.family.start("workers", [
            UPSURGE, "worker", "--master-host", "127.0.0.1", "--master-port", str(port),
            "--processes", str(WORKERS), "--json-file", str(self.folder / "worker.json")])
        self.family.wait_for("the workers to join", self.have_joined)
        say(f"      {WORKERS} workers have joined")

    def have_joined(self):
        requests = self.master.requests()
        return requests and len(requests["workers"]) == WORKERS

    def run_test(self):
        """Returns the most connections that the push target had at a time."""
        total = self.users + HTTP_USERS
        say(f"\nRunning {self.users:,} TcpHoldUser and {HTTP_USERS} HttpQpsUser, "
            f"{SPAWN_RATE:,} more each second, for {self.seconds} s")
        say(f"  $ curl -d user_count={total} -d spawn_rate={SPAWN_RATE} {self.master.url}/swarm")
        self.master.start({"user_count": total, "spawn_rate": SPAWN_RATE})
        begin = time.monotonic()
        held = 0
        say(f"{'time':>7}{'users on master':>18}{'sockets on target':>20}{'GET on target':>16}")
        while (passed := time.monotonic() - begin) < self.seconds:
            time.sleep(min(PROGRESS_SECONDS - passed % PROGRESS_SECONDS, self.seconds - passed))
            self.family.check()
            held = max(held, self.show_progress(time.monotonic() - begin))
        self.master.stop()
        return held

    def show_progress(self, passed):
        """Prints a line and returns the connections that are open."""
        requests, push, http = self.master.requests(), try_get(self.admin["push"]), try_get(self.admin["http"])
        if not requests or not push or not http:
            say(f"{passed:6.0f}s   no answer")
            return 0
        say(f"{passed:6.0f}s{requests['user_count']:18,}{push['open']:20,}{http['requests']:16,}")
        return push["open"]

    def compare(self, held):
        """Prints the books and returns whether they agree."""
        files = [self.folder / f"worker-{number}.json" for number in range(1, WORKERS + 1)]
        self.family.wait_for("the workers' own sums", lambda: all(file.exists() for file in files))
        self.family.wait_for("the targets' connections to close", self.are_closed)
        requests = self.family.wait_for("the master to have stopped", self.stopped)
        targets = {kind: try_get(url) for kind, url in self.admin.items()}
        sides = books.of_master(requests), books.of_workers(files), targets
        say()
        for line in books.table(*sides):
            say(line)
        found = books.differences(*sides)
        if held != self.users:
            found.append(f"the push target had at most {held:,} connections at a time, not {self.users:,}")
        for error in requests["errors"]:
            found.append(f"{error['occurrences']:,} failures of {error['method']} {error['name']}: {error['error']}")
        say("\nagree: " + ("no" if found else "yes"))
        for line in found:
            say("  " + line)
        return not found

    def stopped(self):
        requests = self.master.requests()
        return requests if requests and requests["state"] == "stopped" and requests["user_count"] == 0 else None

    def are_closed(self):
        return all((stats := try_get(url)) and stats["open"] == 0 for url in self.admin.values())

    def stay(self):
        say(f"\nOpen {self.master.url}, press Start, and Ctrl-C here when done.")
        while True:
            self.family.check()
            time.sleep(0.5)


def run(demo):
    """The exit code of a run, and whether its logs are of interest."""
    code = 1
    try:
        demo.start_all()
        if demo.ui:
            demo.stay()
        held = demo.run_test()
        code = 0 if demo.compare(held) else 1
    except Failure as failure:
        say(f"\ndemo: {failure}")
    except Interrupted as interrupt:
        code = 0 if demo.ui and interrupt.number == signal.SIGINT else 128 + interrupt.number
        say(f"\ndemo: ending ({interrupt})")
    faults = demo.family.end()
    if faults and code == 0:
        code = 1
        say("demo: " + "; ".join(faults))
    return code


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--locust", required=True)
    parser.add_argument("--ui", action="store_true")
    arguments = parser.parse_args()
    users, seconds = setting("DEMO_USERS", 10000), setting("DEMO_SECONDS", 60)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="upsurge-demo-"))
    begin = time.monotonic()
    code = run(Demo(arguments.locust, arguments.ui, users, seconds, folder))
    if code == 1 and any(folder.iterdir()):
        show_logs(folder)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    say(f"ended after {time.monotonic() - begin:.0f} s")
    return code


def show_logs(folder):
    """The last lines of each log, for those who cannot look at the files."""
    for log in sorted(folder.glob("*.log")):
        say(f"--- {log}")
        for line in log.read_text(errors="replace").splitlines()[-15:]:
            say(line)
    say(f"demo: the logs are in {folder}")


if __name__ == "__main__":
    sys.exit(main())
