"""A server extension: keeps the server's state across restarts, although the work folder may be full.

The server needs no free space there to keep running. Databases and settings are in memory while it runs. Their contents are copied to the work
folder as plain files, every half minute and at the end; what does not fit is retried the next time.
"""
import asyncio
import atexit
import json
import os
import sqlite3
import threading
from base64 import encodebytes

from nbformat.sign import SignatureStore
from tornado.ioloop import PeriodicCallback

EVERY = 30  # seconds
WAITING = 20_000  # lines
HISTORY_BYTES, TRUST_BYTES = 4 << 20, 1 << 20
FROM = "FROM history h JOIN sessions s USING (session)"

KEPT = os.environ.get("PORTAL_KEPT") or os.path.join(os.environ.get("NOTEBOOK_DIR", os.path.expanduser("~/work")), ".notebook")
HISTORY = os.environ.get("PORTAL_IPYTHON_HISTORY", "")
OLD_HISTORY, OLD_TRUST = f"{KEPT}/ipython/profile_default/history.sqlite", f"{KEPT}/data/nbsignatures.db"
FOLDERS = [(os.environ[name], f"{KEPT}/jupyter/lab/{folder}")
           for name, folder in (("JUPYTERLAB_SETTINGS_DIR", "user-settings"), ("JUPYTERLAB_WORKSPACES_DIR", "workspaces")) if name in os.environ]


class Lines:
    """An append-only file that several servers of one person may write to. Only its last `most` bytes are read."""

    def __init__(self, path, most):
        self.path, self.most, self.waiting, self.size = path, most, [], 0
        self.alone = threading.Lock()

    def read(self):
        try:
            with open(self.path, "rb") as file:
                self.size = size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - self.most))
                lines = file.read(self.most).decode(errors="replace").splitlines()[size > self.most:]
        except OSError:
            return []
        if size > 2 * self.most:
            _replace(self.path, "".join(line + "\n" for line in lines).encode())
        return lines

    def add(self, lines):
        """Returns whether all lines are in the file now."""
        with self.alone:
            self.waiting = (self.waiting + lines)[-WAITING:]
            return not self.waiting or self._write()

    def _write(self):
        try:
            os.makedirs(os.path.dirname(self.path), exist_ok=True)
            with open(self.path, "ab+", buffering=0) as file:
                end = file.seek(0, os.SEEK_END)
                file.seek(max(0, end - 1))
                begin = "" if file.read(1) in (b"", b"\n") else "\n"  # an earlier line was cut off when the folder was full
                data = (begin + "".join(line + "\n" for line in self.waiting)).encode()
                if file.write(data) == len(data):
                    self.waiting = []
                    return True
        except OSError:
            pass
        return False

    def grown(self):
        try:
            return os.path.getsize(self.path) != self.size
        except OSError:
            return False


class Trust(SignatureStore):
    """Signatures of trusted notebooks."""

    def __init__(self):
        self.lines, self.known = Lines(f"{KEPT}/data/trusted", TRUST_BYTES), {}
        self._read()
        self._adopt()

    def store_signature(self, digest, algorithm):
        if (digest, algorithm) not in self.known:
            self.known[digest, algorithm] = True
            self.lines.add([f"+ {algorithm} {digest}"])

    def check_signature(self, digest, algorithm):
        if (digest, algorithm) not in self.known and self.lines.grown():
            self._read()
        return (digest, algorithm) in self.known

    def remove_signature(self, digest, algorithm):
        if self.known.pop((digest, algorithm), None):
            self.lines.add([f"- {algorithm} {digest}"])

    def close(self):
        self.lines.add([])

    def _read(self):
        for line in self.lines.read():
            match line.split(" "):
                case ["+", algorithm, digest]:
                    self.known[digest, algorithm] = True
                case ["-", algorithm, digest]:
                    self.known.pop((digest, algorithm), None)

    def _adopt(self):
        """Imports the database that an earlier version kept in the work folder."""
        old = _rows(OLD_TRUST, "SELECT algorithm, signature FROM nbsignatures ORDER BY last_seen LIMIT 10000")
        self.known.update({(str(digest), str(algorithm)): True for algorithm, digest in old})
        if old and self.lines.add([f"+ {algorithm} {digest}" for algorithm, digest in old]):
            _remove(OLD_TRUST)


def secret():
    """The key that notebooks are signed with. If it cannot be saved, it lasts as long as this server."""
    file = f"{KEPT}/data/notebook_secret"
    try:
        with open(file, "rb") as f:
            if len(there := f.read(1 << 16)) >= 64:
                return there
    except OSError:
        pass
    made = encodebytes(os.urandom(1024))
    _replace(file, made)
    return made


class History:
    """IPython's history: the database is in memory and starts with what was kept."""

    def __init__(self):
        self.lines, self.last = Lines(f"{KEPT}/ipython/history", HISTORY_BYTES), 0

    def restore(self):
        rows = [(start, line, source, raw) for start, line, source, raw in filter(None, map(_entry, self.lines.read()))]
        old = _rows(OLD_HISTORY, f"SELECT s.start, h.line, h.source, h.source_raw {FROM} ORDER BY h.session DESC, h.line DESC LIMIT 10000")[::-1]
        sessions = {}
        with sqlite3.connect(HISTORY) as db:
            # The same schema as IPython's.
            db.execute("""CREATE TABLE IF NOT EXISTS sessions (session integer primary key autoincrement, start timestamp,
                          end timestamp, num_cmds integer, remark text)""")
            db.execute("""CREATE TABLE IF NOT EXISTS history (session integer, line integer, source text, source_raw text,
                          PRIMARY KEY (session, line))""")
            for start, line, source, raw in [*old, *rows]:
                if start not in sessions:
                    sessions[start] = db.execute("INSERT INTO sessions VALUES (NULL, ?, NULL, NULL, '')", (start,)).lastrowid
                db.execute("INSERT OR IGNORE INTO history VALUES (?, ?, ?, ?)", (sessions[start], line, source, raw))
            self.last = db.execute("SELECT coalesce(max(rowid), 0) FROM history").fetchone()[0]
        db.close()
        if old and self.lines.add([_line(*row) for row in old]):
            _remove(OLD_HISTORY)

    def carry(self):
        rows = _rows(HISTORY, f"SELECT h.rowid, s.start, h.line, h.source, h.source_raw {FROM} WHERE h.rowid > ? ORDER BY h.rowid", self.last)
        if rows:
            self.last = rows[-1][0]
        self.lines.add([_line(*row[1:]) for row in rows])


class Folder:
    """A folder of small files written by other programs; each changed file is copied whole."""

    def __init__(self, live, kept):
        self.live, self.kept, self.carried = live, kept, {}
        self.carried = dict(self._there())

    def _there(self):
        for at, _, names in os.walk(self.live):
            for path in (os.path.join(at, name) for name in names):
                try:
                    yield os.path.relpath(path, self.live), os.stat(path).st_mtime_ns
                except OSError:
                    continue

    def carry(self):
        there = dict(self._there())
        for name, changed in there.items():
            if self.carried.get(name) != changed:
                try:
                    with open(os.path.join(self.live, name), "rb") as file:
                        data = file.read()
                except OSError:
                    continue
                if _replace(os.path.join(self.kept, name), data):
                    self.carried[name] = changed
        for name in [n for n in self.carried if n not in there]:
            _remove(os.path.join(self.kept, name))
            del self.carried[name]


def _line(start, line, source, raw):
    return json.dumps([str(start), line, source, raw])


def _entry(line):
    try:
        match json.loads(line):
            case [str(start), int(number), str(source), str(raw)]:
                return start, number, source, raw
    except ValueError:
        pass
    return None


def _rows(file, query, *values):
    """Rows of a database opened read-only; empty if it does not exist or cannot be read."""
    try:
        db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=1)
        try:
            return db.execute(query, values).fetchall()
        finally:
            db.close()
    except sqlite3.Error:
        return []


def _replace(path, data):
    """Returns whether the file was replaced. It holds either all of the new data or the old."""
    beside = f"{path}.new"
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
        return True
    except OSError:
        _remove(beside)
        return False


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def _jupyter_server_extension_points():
    return [{"module": "kept_state"}]


def _load_jupyter_server_extension(server):
    store = server.contents_manager.notary.store
    history, folders = History(), [Folder(live, kept) for live, kept in FOLDERS]
    parts = [*folders, *([history] if HISTORY else [])]
    if HISTORY:
        history.restore()

    def carry():
        for part in parts:
            part.carry()
        if isinstance(store, Trust):
            store.close()

    async def later():
        await asyncio.get_running_loop().run_in_executor(None, carry)

    PeriodicCallback(later, EVERY * 1000).start()
    atexit.register(carry)
