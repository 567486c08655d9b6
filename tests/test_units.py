"""
What an operator installs fits the gate: the units of systemd, the dashboard, the container.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
from collections import defaultdict
from pathlib import Path

import pytest

from tlsgate.settings import read_options
from tlsgate.tap import Options

PROJECT = Path(__file__).parents[1]
CONF = PROJECT / "conf"


def unit(name: str) -> dict[str, dict[str, list[str]]]:
    """
    A unit's sections: key to its values in order.
    """
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    section = ""
    for line in (CONF / name).read_text().replace("\\\n", " ").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            found[section][key].append(value)
    return found


def test_the_service_starts_what_there_is() -> None:
    """
    Its options are options of the command, and its endpoints bear the names of the socket units.
    """
    service = unit("tlsgate.service")["Service"]
    words = shlex.split(service["ExecStart"][0])
    options = words[words.index("tlsgate") + 1 :]
    known = {parameter[0] for parameter in Options.optParameters} | {"http", "https", "upstream"}
    assert {word[2:] for word in options if word.startswith("--")} <= known
    names = {unit(name)["Socket"]["FileDescriptorName"][0] for name in ("tlsgate.socket", "tlsgate-https.socket")}
    assert set(re.findall(r"name=(\w+)", " ".join(options))) == names == {"http", "https"}
    parsed = read_options(http=["systemd:domain=INET6:name=http"], environ={"STATE_DIRECTORY": "/x"}, foreground=True)
    assert str(parsed.state) == "/x"


def test_the_service_lets_the_supervisor_speak_for_all() -> None:
    """
    SIGTERM to the supervisor alone, time for the drain, readiness and a watchdog.
    """
    service = unit("tlsgate.service")["Service"]
    assert service["Type"] == ["notify"]
    assert service["KillMode"] == ["mixed"]
    assert int(service["TimeoutStopSec"][0]) > 30
    assert service["User"] == ["tlsgate"]
    assert "HUP" in service["ExecReload"][0]


def test_the_dashboard_asks_for_metrics_that_there_are() -> None:
    """
    Every name in its queries is exposed.
    """
    source = (PROJECT / "src" / "tlsgate" / "admin" / "_metrics.py").read_text()
    exposed = {f"tlsgate_{name}" for name in re.findall(r'_gauge\(\s*"(\w+)"', source)}
    exposed |= {f"tlsgate_{name}_total" for name in re.findall(r'_counter\(\s*"(\w+)"', source)}
    exposed |= set(re.findall(r'HistogramMetricFamily\(\s*"(\w+)"', source))
    dashboard = json.loads((CONF / "grafana-dashboard.json").read_text())
    asked = set(re.findall(r"tlsgate_\w+", " ".join(t["expr"] for p in dashboard["panels"] for t in p["targets"])))
    assert {re.sub(r"_bucket$", "", name) for name in asked} <= exposed


@pytest.mark.parametrize("name", ["tlsgate.socket", "tlsgate-https.socket"])
def test_sockets_are_units(name: str) -> None:
    """
    Each can be parsed, and starts the service.
    """
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.read(CONF / name)
    assert parser["Socket"]["Service"] == "tlsgate.service"
