"""HTTP around the core, sans-IO: bytes in become a ``Request``, a ``Response`` becomes bytes out.

``h1`` is HTTP/1.1 (RFC 9112), ``h2`` is HTTP/2 (RFC 9113) where the library of that name is
installed. Nothing here opens a socket, reads a clock or knows a route.
"""

from __future__ import annotations

from .h1 import HTTP1Connection

__all__ = ["HTTP1Connection"]
