"""A server extension: on a site without an egress proxy, links that pull a course repository explain that instead of failing."""
import os

from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import web

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>No internet access</title>
<body style="font-family: system-ui, sans-serif; max-width: 40rem; margin: 4rem auto; padding: 0 1rem; line-height: 1.5">
<h1>This repository cannot be fetched from here</h1>
<p>This site does not give notebooks internet access, so a repository cannot be pulled. Ask your instructor to put the files into
a class dataset, or upload them to your work folder.</p>
<p><a href="{lab}">Back to the notebook</a></p></body></html>"""


class NoEgressProxy(JupyterHandler):
    @web.authenticated
    def get(self):
        self.finish(PAGE.format(lab=url_path_join(self.base_url, "lab")))


def _jupyter_server_extension_points():
    return [{"module": "course_links"}]


def _load_jupyter_server_extension(server):
    if not os.environ.get("PORTAL_EGRESS_PROXY"):
        server.web_app.add_handlers(".*$", [(url_path_join(server.web_app.settings["base_url"], "git-pull"), NoEgressProxy)])
