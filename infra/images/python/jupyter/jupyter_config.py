# Notebook signatures, for the server and for `jupyter trust`: no database in the work folder, because that may be full.
import kept_state

c = get_config()  # noqa: F821
c.NotebookNotary.store_factory = kept_state.Trust
c.NotebookNotary.secret = kept_state.secret()
