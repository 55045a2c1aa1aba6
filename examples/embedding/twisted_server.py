"""The core in Twisted: ``python -m examples.embedding.twisted_server 8000``.

A protocol that is told by its transport when to pause, and pauses its client in turn.
"""

from __future__ import annotations

import sys
from time import monotonic
from typing import Any

from twisted.internet import interfaces
from twisted.internet import reactor as installed_reactor
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from .echo_session import EchoSession

reactor: Any = installed_reactor  # whichever it is: the types of its interfaces need a plugin


@implementer(interfaces.IHalfCloseableProtocol, interfaces.IPushProducer)
class Echo(Protocol):
    """One connection."""

    transport: Any
    timer: Any = None

    def connectionMade(self) -> None:
        self.session = EchoSession(monotonic())
        self.transport.registerProducer(self, True)
        self.settle()

    def dataReceived(self, data: bytes) -> None:
        self.session.receive(data, monotonic())
        self.settle()

    def readConnectionLost(self) -> None:
        self.dataReceived(b"")

    def writeConnectionLost(self) -> None:
        """Our half has ended."""

    def settle(self) -> None:
        """Write what waits, and see to the end and to the next deadline."""
        self.stopProducing()
        self.transport.write(self.session.data_to_send())
        if self.session.over:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            return
        if self.session.shut_write:
            self.transport.loseWriteConnection()
        wait = self.session.next_deadline() - monotonic()
        if wait < float("inf"):
            self.timer = reactor.callLater(max(0.001, wait), self.tick)

    def tick(self) -> None:
        self.session.tick(monotonic())
        self.settle()

    def pauseProducing(self) -> None:
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        if self.timer is not None and self.timer.active():
            self.timer.cancel()

    def connectionLost(self, reason: object = None) -> None:
        self.stopProducing()


if __name__ == "__main__":
    factory: Any = Factory.forProtocol(Echo)
    reactor.listenTCP(int(sys.argv[1]), factory, interface="127.0.0.1")
    reactor.run()
