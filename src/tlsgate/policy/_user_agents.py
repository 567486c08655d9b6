"""
The family of a user agent: one of a bounded list of words.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

__all__ = ["FAMILIES", "family"]

#: What a C{User-Agent} holds in lower case, and its family; the first match counts.  Tools stand before browsers
#: because many call themselves Mozilla, and Chrome's kin before Chrome because they all name it.
_MARKS: Final = (
    (b"teamcity agent", "teamcity-agent"),
    (b"teamcity", "teamcity-agent"),
    (b"octopus", "octopus"),
    (b"git-lfs", "git-lfs"),
    (b"jgit/", "git"),
    (b"git/", "git"),
    (b"docker/", "docker"),
    (b"containerd/", "docker"),
    (b"curl/", "curl"),
    (b"wget/", "wget"),
    (b"python-requests/", "python-requests"),
    (b"python", "python"),
    (b"go-http-client/", "go"),
    (b"okhttp/", "okhttp"),
    (b"apache-httpclient/", "apache-httpclient"),
    (b"apache-maven/", "maven"),
    (b"gradle/", "gradle"),
    (b"java-http-client/", "java"),
    (b"java/", "java"),
    (b"nuget", "nuget"),
    (b"npm/", "npm"),
    (b"node", "node"),
    (b"axios/", "node"),
    (b"powershell", "powershell"),
    (b"kube-probe/", "kube-probe"),
    (b"prometheus/", "prometheus"),
    (b"bot", "bot"),
    (b"edg/", "edge"),
    (b"opr/", "opera"),
    (b"opera/", "opera"),
    (b"firefox/", "firefox"),
    (b"chrome/", "chrome"),
    (b"chromium/", "chrome"),
    (b"safari/", "safari"),
    (b"mozilla/", "browser"),
)

#: Every word that L{family} may return.
FAMILIES: Final = frozenset(word for _, word in _MARKS) | {"none", "other"}


def family(user_agent: bytes) -> str:
    """
    The family, C{none} for an empty field, or C{other}.
    """
    return _family(user_agent[:512]) if user_agent else "none"


# The same few clients ask again and again; bounded in number and in the size of each.
@lru_cache(maxsize=512)
def _family(user_agent: bytes) -> str:
    lower = user_agent.lower()
    for mark, word in _MARKS:
        if mark in lower:
            return word
    return "other"
