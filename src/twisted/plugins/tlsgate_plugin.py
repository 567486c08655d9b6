"""
Makes C{twistd tlsgate} known to Twisted; import-light, since every C{twistd --help} loads it.
"""

from twisted.application.service import ServiceMaker

tlsgate = ServiceMaker(
    "tlsgate",
    "tlsgate.tap",
    "Put HTTPS in front of an HTTP server that has none.",
    "tlsgate",
)
