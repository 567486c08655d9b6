"""
How requests get to the gate.
"""

from email.parser import BytesParser
from email.policy import HTTP

from twisted.internet.defer import CancelledError
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.client import ResponseNeverReceived

from tlsgate.client._wire import Content, encoded, reason_of


def test_form() -> None:
    """
    Bytes are a file, texts are texts.
    """
    kind, content = encoded({"certificate": b"\x00--\r\n", "name": "ä"})
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + content)
    file, text = message.iter_parts()
    assert file.get_filename() == "certificate"
    assert file.get_payload(decode=True) == b"\x00--\r\n"
    assert text.get_payload(decode=True) == "ä".encode()


def test_content() -> None:
    """
    Content is written in one go.
    """
    transport = StringTransport()
    content = Content(b"abc")
    done = content.startProducing(transport)
    content.pauseProducing()
    content.resumeProducing()
    content.stopProducing()
    assert (transport.value(), content.length, done.called) == (b"abc", 3, True)


def test_reasons() -> None:
    """
    What went wrong is one line, once.
    """
    refused = ConnectionRefusedError()
    wrapped = ResponseNeverReceived([Failure(refused), Failure(refused)])
    assert reason_of(wrapped) == reason_of(refused)
    assert "no answer within" in reason_of(CancelledError())
    assert "--cacert" in reason_of(Exception("[('SSL routines', '', 'certificate verify failed')]"))
    assert reason_of(Exception("")) == "Exception"
