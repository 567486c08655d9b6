"""
The upstream: nginx with static answers, on the load's core.
"""

from __future__ import annotations

from pathlib import Path

from ._processes import ProcessTree, free_port, wait_for_port

__all__ = ["SIZES", "Origin"]

#: target to bytes of content
SIZES = {"/hello": 12, "/1k": 1024, "/100k": 100 * 1024, "/10m": 10 * 1024 * 1024}

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 600;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder}/files;
    default_type text/plain;
    location = /hello {{ return 200 "hello world\\n"; }}
  }}
}}
"""


class Origin:
    """
    A running static server.
    """

    def __init__(self, folder: Path, core: str) -> None:
        self.port = free_port()
        files = folder / "files"
        files.mkdir(parents=True)
        folder.chmod(0o755)
        for target, size in SIZES.items():
            (files / target[1:]).write_bytes(b"x" * size)
        configuration = folder / "nginx.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=self.port))
        command = ["nginx", "-c", str(configuration), "-p", str(folder), "-e", str(folder / "error.log")]
        self.process = ProcessTree("origin", command, cores=core, log=folder / "origin.log")
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        self.process.stop()
