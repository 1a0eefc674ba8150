# The history is a database: it is kept in memory while kernels write to it (kept_state.py copies it to the work folder).
import os

c = get_config()  # noqa: F821
if os.environ.get("PORTAL_IPYTHON_HISTORY"):
    c.HistoryManager.hist_file = os.environ["PORTAL_IPYTHON_HISTORY"]
