"""A part of the notebook's server: what computes in a terminal is activity, though it writes nothing.

The server knows when somebody last typed or a program last wrote. A training that runs for an hour in silence would pass for rest,
and the portal stops what rests. An editor that waits for a key uses no processor and stays what it was: no sign of work.
"""
import os
import time
from datetime import datetime, timezone

from tornado.ioloop import PeriodicCallback

EVERY = 10  # seconds
SHARE = 0.01  # of one core since the last look, by which a terminal's programs work
TICK = os.sysconf("SC_CLK_TCK")


def used_by_sessions():
    """Session → seconds of processor of its processes, and of those that ended in them: what a shell starts stays in its session, in the background too."""
    used = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:  # a program may call itself anything, text or not
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it has just ended
        used[int(fields[3])] = used.get(int(fields[3]), 0) + sum(map(int, fields[11:15])) / TICK
    return used


class TerminalWork:
    def __init__(self, settings):
        self.settings = settings
        self.before = ({}, time.monotonic())

    def look(self):
        manager = self.settings.get("terminal_manager")
        if not getattr(manager, "terminals", None):
            return
        (before, then), (used, now) = self.before, (used_by_sessions(), time.monotonic())
        self.before = (used, now)
        for terminal in manager.terminals.values():
            shell = terminal.ptyproc.pid
            # A process that ends elsewhere takes its time along: less than before is no work.
            if shell in before and used.get(shell, 0) - before[shell] >= SHARE * (now - then):
                terminal.last_activity = datetime.now(timezone.utc)


def _jupyter_server_extension_points():
    return [{"module": "terminal_work"}]


def _load_jupyter_server_extension(server):
    PeriodicCallback(TerminalWork(server.web_app.settings).look, EVERY * 1000).start()
