"""The demo's processes: how they are started, and that all of them end."""

import contextlib
import ctypes
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1
LEAVE_SECONDS = 20


class Failure(Exception):
    """Something did not work; the text says what."""


class Interrupted(BaseException):
    """A signal asks the demo to end."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


def say(text=""):
    """Prints a line; nobody may be left to read it."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def end_with_parent():
    """Runs in a child before its program: a demo that is killed takes its
    children along."""
    if sys.platform == "linux":
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


LIBC = ctypes.CDLL(None)


class Process:
    """A program with its log. It gets a session of its own: a Ctrl-C at the
    terminal reaches the demo alone, which ends the others in order, and what
    it started in turn can be found by the session."""

    def __init__(self, name, command, log, environment):
        self.name, self.log = name, log
        with log.open("wb") as output:
            self.running = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                env=environment, start_new_session=True, preexec_fn=end_with_parent,
            )

    def ended(self):
        return self.running.poll() is not None

    def text(self):
        return self.log.read_text(errors="replace")

    def session(self):
        """The processes of the session, by id; without /proc, just this one."""
        if not os.path.isdir("/proc/self"):
            return [] if self.ended() else [self.running.pid]
        return [pid for pid, session in all_sessions() if session == self.running.pid]


def all_sessions():
    """Pairs of process and session; zombies, who hold nothing, left out."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        with contextlib.suppress(OSError):  # it has just ended
            stat = pathlib.Path("/proc", entry, "stat").read_text(errors="replace")
            state, _parent, _group, session = stat.rpartition(")")[2].split()[:4]
            if state != "Z":
                yield int(entry), int(session)


class Family:
    """All processes of the demo, in the order of their start."""

    def __init__(self, folder):
        self.folder = folder
        self.members = []
        self.asked = 0  # signals so far
        self.latest = signal.SIGINT
        self.shielded = False
        for number in SIGNALS:
            signal.signal(number, self.on_signal)
        self.environment = {
            # Settings for Locust in the user's environment are not for this one.
            **{name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")},
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def on_signal(self, number, _frame):
        self.asked, self.latest = self.asked + 1, number
        if not self.shielded:
            raise Interrupted(number)

    def start(self, name, command):
        """Starts a program and prints the command, for people to type."""
        say("  $ " + shlex.join(command))
        # A signal between the start and the entry in the list would lose it.
        self.shielded, before = True, self.asked
        try:
            process = Process(name, command, self.folder / f"{name}.log", self.environment)
            self.members.append(process)
        except OSError as error:
            raise Failure(f"{name} was not started: {error}") from error
        finally:
            self.shielded = False
        if self.asked > before:
            raise Interrupted(self.latest)
        return process

    def check(self):
        """Fails when one has ended that should run."""
        for process in self.members:
            if process.ended():
                code = process.running.returncode
                raise Failure(f"{process.name} ended by itself with code {code}")

    def wait_for(self, what, condition, seconds=60):
        """Waits until the condition is true and returns what it gave."""
        limit = time.monotonic() + seconds
        while True:
            self.check()
            if result := condition():
                return result
            if time.monotonic() > limit:
                raise Failure(f"waited {seconds} s in vain for {what}")
            time.sleep(0.1)

    def end(self):
        """Ends all, the latest first: workers before their master, clients
        before their servers. Returns what went wrong. Another signal meanwhile
        ends the patience, not the work."""
        self.shielded, before, faults = True, self.asked, []
        for process in reversed(self.members):
            if process.ended():
                faults.append(f"{process.name} had ended with code {process.running.returncode}")
            else:
                process.running.terminate()
            limit = time.monotonic() + LEAVE_SECONDS
            while process.session() and time.monotonic() < limit and self.asked == before:
                process.running.poll()
                time.sleep(0.05)
            for pid in process.session():
                faults.append(f"{process.name}: process {pid} did not end and was killed")
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            code = process.running.wait()
            if code and not faults:
                faults.append(f"{process.name} ended with code {code}")
        self.members = []
        return faults
