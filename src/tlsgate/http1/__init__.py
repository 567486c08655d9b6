"""
Read and write HTTP/1.1 (RFC 9112), without I/O.

Bytes go in, events come out: L{RequestReader} and L{ResponseReader} each read one direction of one connection.
The grammar is in L{_grammar}, what a field section means in L{_headers}, how the end of a message is known in
L{_framing}, what a peer may make us hold in L{_limits}.  A refusal is a L{ProtocolViolation} with the status that a
server should answer.
"""

from ._errors import ProtocolViolation
from ._framing import CHUNKED, UNTIL_CLOSE, request_framing, response_framing
from ._headers import Fields, parse_fields
from ._limits import ReaderLimits
from ._messages import End, RequestHead, ResponseHead
from ._readers import RequestReader, ResponseReader
from ._writers import LAST_CHUNK, STATUS_LINES, chunk, last_chunk, status_line

__all__ = [
    "CHUNKED",
    "LAST_CHUNK",
    "STATUS_LINES",
    "UNTIL_CLOSE",
    "End",
    "Fields",
    "ProtocolViolation",
    "ReaderLimits",
    "RequestHead",
    "RequestReader",
    "ResponseHead",
    "ResponseReader",
    "chunk",
    "last_chunk",
    "parse_fields",
    "request_framing",
    "response_framing",
    "status_line",
]
