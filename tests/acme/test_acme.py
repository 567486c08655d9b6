"""
Orders from beginning to end, against a real Pebble and with a real gate that answers its challenges.
"""

from __future__ import annotations

from _lab import AcmeTestCase, asked


class IssueTests(AcmeTestCase):
    async def test_http_01(self) -> None:
        """
        A certificate ordered by http-01 serves; the challenge is answered although everything is redirected.
        """
        lab = await self.started()
        order = await lab.acme.order(asked("a.example.com", "b.example.com"), author="tests")
        await lab.end(order)
        served = await lab.served("b.example.com")
        assert served == lab.leaf()
        assert lab.changes.current.author == "acme"
        assert lab.changes.current.certificates["web"].source == "acme"
