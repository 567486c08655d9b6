"""
The demo application, asked by a real agent in memory.
"""

from __future__ import annotations

import json
import stat
from pathlib import Path

from treq.testing import StubTreq
from twisted.internet.testing import MemoryReactor
from twisted.trial.unittest import SynchronousTestCase

from tlsgate.demo import DemoResource, listen_with_demo


class DemoTests(SynchronousTestCase):
    """
    What a first look at the gate shows.
    """

    def setUp(self) -> None:
        self.treq = StubTreq(DemoResource())

    def test_shows_the_request_as_json(self) -> None:
        """
        A script sees method, target, fields and the size of the content as the upstream got them.
        """
        answer = self.successResultOf(
            self.treq.post("http://app.test/a%2Fb?c=d", data=b"12345", headers={"X-Thing": "yes"})
        )
        shown = json.loads(self.successResultOf(answer.content()))
        self.assertEqual((shown["method"], shown["target"], shown["content"]), ("POST", "/a%2Fb?c=d", 5))
        self.assertIn(["X-Thing", "yes"], shown["fields"])

    def test_shows_a_page_to_browsers_with_everything_escaped(self) -> None:
        """
        What a client sends is text in the page, never markup.
        """
        answer = self.successResultOf(
            self.treq.get("http://app.test/", headers={"Accept": "text/html", "X-Thing": "<script>"})
        )
        page = self.successResultOf(answer.text())
        self.assertIn("&lt;script&gt;", page)
        self.assertNotIn("<script>", page)

    def test_head_has_a_length_and_no_content(self) -> None:
        """
        HEAD is answered as GET would be, without the content.
        """
        answer = self.successResultOf(self.treq.head("http://app.test/"))
        self.assertEqual(self.successResultOf(answer.content()), b"")
        self.assertGreater(int(answer.headers.getRawHeaders("content-length")[0]), 0)


def test_replaces_a_socket_that_was_left_behind(tmp_path: Path) -> None:
    """
    A file in the way of the socket, as a killed gate leaves it, does not keep the next one from starting.
    """
    path = tmp_path / "demo.sock"
    path.touch()
    listen_with_demo(MemoryReactor(), path)
    assert not path.exists() or stat.S_ISSOCK(path.stat().st_mode)
