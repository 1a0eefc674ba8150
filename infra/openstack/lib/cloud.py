"""A client of the rig's services for its own tools: plain requests, signed in as one of the files in its credentials folder."""
import json
import time

import requests

SHARES_VERSION = {"X-OpenStack-Manila-API-Version": "2.65"}
PORTS = {"identity": "5000/v3", "orchestration": "8004/v1/{project}", "sharev2": "8786/v2", "image": "9292", "placement": "8778",
         "network": "9696/v2.0", "compute": "8774/v2.1"}


class Refused(Exception):
    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class Cloud:
    def __init__(self, state, who="admin"):
        self.credential = json.load(open(f"{state}/credentials/{who}.json"))
        self.address = self.credential["auth_url"].split("/")[2].split(":")[0]
        self.session = requests.Session()
        self.session.trust_env = False  # no proxy on the way
        self.project = ""
        self.sign_in()

    def sign_in(self):
        c = self.credential
        user = {"name": c["user"], "domain": {"name": c["user_domain"]}, "password": c["password"]}
        scope = {"project": {"name": c["project"], "domain": {"name": c["project_domain"]}}}
        answer = self.send("POST", "identity", "/auth/tokens", {"auth": {
            "identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}})
        self.session.headers["X-Auth-Token"] = answer.headers["X-Subject-Token"]
        self.project = answer.json()["token"]["project"]["id"]

    def url(self, service, path=""):
        return f"http://{self.address}:{PORTS[service]}{path}".format(project=self.project)

    def send(self, method, service, path, body=None, **more):
        url = path if path.startswith("http") else self.url(service) + path
        headers = {**(SHARES_VERSION if service == "sharev2" else {}), **more.pop("headers", {})}
        answer = self.session.request(method, url, json=body, headers=headers, timeout=60, **more)
        if answer.status_code >= 400:
            raise Refused(answer.status_code, f"{method} {url}: {answer.status_code} {answer.text[:500]}")
        return answer

    def get(self, service, path):
        return self.send("GET", service, path).json()

    def post(self, service, path, body):
        answer = self.send("POST", service, path, body)
        return answer.json() if answer.content else {}

    def delete(self, service, path):
        self.send("DELETE", service, path)


def until(what, condition, seconds=120, pause=0.2):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise SystemExit(f"Timed out after {seconds} s waiting until {what}")
        time.sleep(pause)
