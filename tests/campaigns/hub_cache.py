#!/usr/bin/env python3
"""Checks that vulcap and Python's huggingface_hub use one another's downloads.

A hub on 127.0.0.1 serves a model folder. vulcap pulls it and Python finds it, then the other way round; each
time the second must download nothing and both caches must look the same. Needs huggingface_hub.

    tests/campaigns/hub_cache.py build/release/vulcap [MODEL_FOLDER]
"""
import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

COMMIT = "c" * 40
REPO = "org/model"


def etag(path, data):
    if path.endswith(".onnx"):
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Hub(http.server.ThreadingHTTPServer):
    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {
            str(p.relative_to(folder)): p.read_bytes()
            for p in sorted(folder.rglob("*"))
            if p.is_file() and "expected" not in p.parts
        }
        self.sent = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def endpoint(self):
        return "http://127.0.0.1:%d" % self.server_port


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def answer(self, body, headers, status=200):
        self.send_response(status)
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def entries(self):
        for name, data in self.server.files.items():
            large = {"lfs": {"oid": etag(name, data), "sha256": etag(name, data), "size": len(data), "pointerSize": 130}}
            yield name, data, large if name.endswith(".onnx") else {}

    def do_GET(self):
        path = self.path.split("?")[0]
        if path == f"/api/models/{REPO}" or path.startswith(f"/api/models/{REPO}/revision/"):
            siblings = [
                {"rfilename": name, "size": len(data), "blobId": etag(name, data) if not large else "b" * 40, **large}
                for name, data, large in self.entries()
            ]
            body = json.dumps({"id": REPO, "sha": COMMIT, "siblings": siblings, "private": False, "downloads": 0,
                               "likes": 0, "tags": []}).encode()
            return self.answer(body, {"Content-Type": "application/json"})
        if path.startswith(f"/api/models/{REPO}/tree/"):
            body = json.dumps([
                {"type": "file", "path": name, "size": len(data), "oid": etag(name, data), **large}
                for name, data, large in self.entries()
            ]).encode()
            return self.answer(body, {"Content-Type": "application/json"})
        name = path.split(f"/resolve/{COMMIT}/")[-1].removeprefix("/store/")
        data = self.server.files.get(name)
        if data is None:
            return self.answer(b"", {"X-Error-Code": "EntryNotFound"}, 404)
        tag = f'"{etag(name, data)}"'
        if name.endswith(".onnx") and not path.startswith("/store/"):
            return self.answer(b"", {"Location": f"{self.server.endpoint()}/store/{name}", "X-Repo-Commit": COMMIT,
                                     "X-Linked-Etag": tag, "X-Linked-Size": len(data)}, 302)
        if self.command == "GET":
            self.server.sent.append(name)
        self.answer(data, {"ETag": tag, "X-Repo-Commit": COMMIT})

    do_HEAD = do_GET


def layout(cache):
    """What both must agree on: links with their targets, refs, names of blobs."""
    root = pathlib.Path(cache, "hub", "models--org--model")
    links = {str(p.relative_to(root)): os.readlink(p) for p in root.rglob("*") if p.is_symlink()}
    refs = {str(p.relative_to(root)): p.read_text() for p in (root / "refs").rglob("*") if p.is_file()}
    return links, refs, sorted(p.name for p in (root / "blobs").iterdir())


def main():
    vulcap = os.path.abspath(sys.argv[1])
    folder = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else "models/scenes-vit-gpt2")
    hub = Hub(folder)

    def run(home, *command):
        hub.sent.clear()
        env = {**os.environ, "HF_HOME": home, "HF_ENDPOINT": hub.endpoint(), "HF_HUB_DISABLE_XET": "1"}
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def python(home, patterns, more=""):
        return run(home, sys.executable, "-c",
                   "import huggingface_hub as h;"
                   f"print(h.snapshot_download({REPO!r}, allow_patterns={patterns!r}{more}))")

    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        pulled = run(first, vulcap, "pull", REPO)
        names = sorted(str(p.relative_to(pulled)) for p in pathlib.Path(pulled).rglob("*") if p.is_file())
        assert sorted(hub.sent) == names, (hub.sent, names)
        assert python(first, names) == pulled and not hub.sent, hub.sent
        assert python(first, names, ", local_files_only=True") == pulled
        print(f"vulcap pulled {len(names)} files; Python finds them and downloads nothing")

        assert python(second, names) and sorted(hub.sent) == names
        assert run(second, vulcap, "pull", REPO) and not hub.sent, hub.sent
        run(second, vulcap, "pull", "--offline", REPO)
        print("Python downloaded them; vulcap finds them and downloads nothing")
        assert layout(first) == layout(second), (layout(first), layout(second))
        print("both caches hold the same links, refs and blobs")


if __name__ == "__main__":
    main()
