"""A server extension: a program computing in a terminal counts as activity even if it prints nothing.

By itself the server only knows when somebody last typed or a program last wrote. A training job that is silent for an hour would look idle,
and the portal stops idle workspaces. An editor waiting for a key uses no CPU time and still does not count as activity.
"""
import os
import time
from datetime import datetime, timezone

from tornado.ioloop import PeriodicCallback

EVERY = 10  # seconds
SHARE = 0.01  # of one core since the last check; a terminal whose programs use this much is active
TICK = os.sysconf("SC_CLK_TCK")


def used_by_sessions():
    """CPU seconds per session, including exited children: what a shell starts stays in its session, even in the background."""
    used = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat", "rb") as stat:  # a program name may be any bytes
                fields = stat.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it has just exited
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
            # A process that exits may take its CPU time with it, so a decrease is not activity.
            if shell in before and used.get(shell, 0) - before[shell] >= SHARE * (now - then):
                terminal.last_activity = datetime.now(timezone.utc)


def _jupyter_server_extension_points():
    return [{"module": "terminal_work"}]


def _load_jupyter_server_extension(server):
    PeriodicCallback(TerminalWork(server.web_app.settings).look, EVERY * 1000).start()
