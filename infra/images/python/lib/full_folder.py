"""A server extension: file access in a work folder that may be full.

Reading and deleting need no free space. A save without enough space returns a message, which JupyterLab shows, and leaves the file unchanged.
"""
import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from functools import wraps

import node_limits
from jupyter_server.services.contents import fileio
from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado import web
from traitlets import default

FULL = {errno.EDQUOT, errno.ENOSPC}
SLACK = 1 << 20  # bytes; a folder with less free space counts as full


def is_full(error):
    """Whether this error, or one of its causes, means that there is no space left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def sentence(space, kept="Nothing was saved, and what was there before is untouched."):
    total, used, free = space
    unit, name = (1 << 30, "GiB") if total >= 1 << 30 else (1 << 20, "MiB")
    figures = f"{used / unit:.1f} of {total / unit:.1f}".removesuffix(".0") + f" {name}"
    if free < SLACK:
        so = f"Your folder is full: {figures}."
    else:
        so = f"There is not enough space for this: your folder already holds {figures}, or your class has run out of storage."
    return (f"{so} {kept} Delete what you no longer need, in the file browser or in a terminal, and save again; "
            "if you need all of it, ask your instructor for a larger folder.")


@contextmanager
def explaining(folder):
    before = node_limits.space(folder)  # measured before, because a failed write still counts for a while
    try:
        yield
    except Exception as e:
        if is_full(e) and getattr(e, "status_code", 0) != 507:  # 507 (Insufficient Storage) already carries our message
            raise web.HTTPError(507, sentence(before)) from e
        raise


@contextmanager
def atomic_writing(path, text=True, encoding="utf-8", log=None, **kwargs):
    """Writes a temporary file and renames it once it is on disk. Jupyter's own version truncates the file first and restores it after some errors only."""
    path = os.path.realpath(path)
    folder, name = os.path.split(path)
    if os.path.exists(path) and not (os.access(path, os.W_OK) and os.access(folder, os.W_OK)):
        with fileio.atomic_writing(path, text, encoding, log, **kwargs) as file:
            yield file
        return
    beside = os.path.join(folder, f".~{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}")  # a hash, because the name may already have the maximum length
    try:
        with open(beside, "w", encoding=encoding, **{"newline": "\n", **kwargs}) if text else open(beside, "wb", **kwargs) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if os.path.exists(path):
            shutil.copymode(path, beside)
        os.replace(beside, path)
    except BaseException:
        with _unless_gone():
            os.unlink(beside)
        raise


@contextmanager
def _unless_gone():
    try:
        yield
    except OSError:
        pass


def copy(source, target):
    """The target is either complete or unchanged."""
    with open(source, "rb") as old, atomic_writing(target, text=False) as new:
        shutil.copyfileobj(old, new)


class Writes:
    @contextmanager
    def atomic_writing(self, os_path, *args, **kwargs):
        with self.perm_to_403(os_path), atomic_writing(os_path, *args, **kwargs) as file:
            yield file

    async def _copy(self, src, dest):
        await fileio.run_sync(copy, src, dest)


class Checkpoints(Writes, AsyncFileCheckpoints):
    """Stored as usual, but reading or renaming never fails for lack of space, and JupyterLab continues without a new checkpoint."""

    def checkpoint_path(self, checkpoint_id, path):
        try:
            return super().checkpoint_path(checkpoint_id, path)
        except OSError as e:
            if not is_full(e):
                raise
        parent, _, name = path.strip("/").rpartition("/")
        stem, extension = os.path.splitext(name)
        return os.path.join(self._get_os_path(parent), self.checkpoint_dir, f"{stem}-{checkpoint_id}{extension}")

    async def create_checkpoint(self, contents_mgr, path):
        try:
            return await super().create_checkpoint(contents_mgr, path)
        except OSError as e:
            # JupyterLab takes 403 to mean that the folder cannot have checkpoints; on any other status it would not open the file.
            if is_full(e) or isinstance(e, FileNotFoundError):
                raise web.HTTPError(403, sentence(node_limits.space(self.root_dir), kept="No new checkpoint of this file was created.")) from e
            raise

    async def rename_checkpoint(self, checkpoint_id, old_path, new_path):
        try:
            await super().rename_checkpoint(checkpoint_id, old_path, new_path)
        except OSError:
            self.log.warning("The checkpoint of %s stays under its old name", old_path, exc_info=True)

    async def restore_checkpoint(self, contents_mgr, checkpoint_id, path):
        with explaining(self.root_dir):
            await super().restore_checkpoint(contents_mgr, checkpoint_id, path)


class FolderContents(Writes, AsyncLargeFileManager):
    @default("checkpoints_class")
    def _checkpoints_class_default(self):
        return Checkpoints

    async def _save_large_file(self, os_path, content, format):
        """Appends another part of an upload."""
        try:
            await super()._save_large_file(os_path, content, format)
        except OSError as e:
            if is_full(e):
                words = sentence(node_limits.space(self.root_dir), kept="The upload was cancelled, and none of it was kept.")
                os.unlink(os_path)
                raise web.HTTPError(507, words) from e
            raise


def _explained(method):
    @wraps(method)
    async def explained(self, *args, **kwargs):
        with explaining(self.root_dir):
            return await method(self, *args, **kwargs)

    return explained


for verb in ("save", "new", "new_untitled", "copy", "rename_file"):
    setattr(FolderContents, verb, _explained(getattr(AsyncLargeFileManager, verb)))
