"""The core in Twisted: ``python -m examples.embedding.twisted_server 8000``.

The transport is its own producer: as long as nobody takes what waits, it pauses its reading.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from twisted.internet import reactor as installed_reactor
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.policies import TimeoutMixin
from zope.interface import implementer

from .echo_session import EchoSession


@implementer(IHalfCloseableProtocol)
class Echo(Protocol, TimeoutMixin):
    transport: Any

    def connectionMade(self) -> None:
        self.session = EchoSession(monotonic())
        self.transport.registerProducer(self.transport, True)  # full, it reads no more
        self.timeoutConnection()

    def dataReceived(self, data: bytes) -> None:
        self.session.receive(data, monotonic())
        self.timeoutConnection()

    def timeoutConnection(self) -> None:
        """Do what is due, write what waits, and see to the end and to the next deadline."""
        self.session.tick(monotonic())
        self.transport.write(self.session.data_to_send())
        if self.session.over:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
        elif self.session.shut_write:
            self.transport.loseWriteConnection()
        wait = self.session.next_deadline() - monotonic()
        self.setTimeout(None if wait == float("inf") else max(0.001, wait))

    def readConnectionLost(self) -> None:
        self.dataReceived(b"")

    def writeConnectionLost(self) -> None:
        """Our half has ended."""

    def connectionLost(self, reason: object = None) -> None:
        self.setTimeout(None)


if __name__ == "__main__":
    reactor: Any = installed_reactor  # whichever it is: the types of its interfaces need a plugin
    reactor.listenTCP(int(sys.argv[1]), Factory.forProtocol(Echo), interface="127.0.0.1")
    reactor.run()
