"""Header fields as HPACK gives them become a request (RFC 9113, section 8.3; RFC 8441).

h2 tells whether they are malformed: pseudo-fields, names, no field that belongs to a connection.
What it lets pass is judged here: any ``:protocol``, a plain CONNECT, a length on a CONNECT, any
target, any host, control characters, and sizes. A fault costs no other stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers

from ..limits import Limits
from ..protocol.headers import Headers, is_token, parse_list
from ..protocol.http import Request
from .h1_head import RequestFault
from .h1_request import HOST

__all__ = ["RequestFields", "find_malformed", "read_request_fields"]

_TARGET = re.compile(r"/[\x21-\x22\x24-\x7e]*\Z")  # visible, and no fragment
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE = len(": \r\n")  # what a field takes beside name and value where a head is lines


@dataclass(slots=True)
class RequestFields:
    """What a block of header fields says.

    Attributes:
        request: The request, whose body is to come.
        expects_continue: The client waits for status 100 before it sends the body.
        length: Bytes that the body is said to have.
    """

    request: Request
    expects_continue: bool = False
    length: int | None = None


def find_malformed(fields: Iterable[tuple[bytes, bytes]], *, trailers: bool = False) -> str:
    """Tell what makes a block of header fields malformed (RFC 9113, section 8.1.1).

    Args:
        fields: Names and values.
        trailers: Whether they stand behind a body.

    Returns:
        It in words; empty if nothing does.
    """
    flags = HeaderValidationFlags(
        is_client=False, is_trailer=trailers, is_response_header=False, is_push_promise=False
    )
    try:
        for _ in validate_headers(fields, flags):
            pass
    except ProtocolError as error:
        return str(error)
    return ""


def read_request_fields(
    pairs: Iterable[tuple[bytes, bytes]], limits: Limits, *, scheme: str = "http", client: str = ""
) -> RequestFields:
    """Read and check a request.

    Args:
        pairs: Names and values in order, the pseudo-fields first.
        limits: ``max_head_size``, ``max_headers``, ``max_header_line`` and ``max_body_size`` are
            looked at; what a head is made of counts as in HTTP/1.1.
        scheme: How the client has reached us.
        client: Its address.

    Raises:
        RequestFault: 400, 413, 414, 417, 431 or 501.
    """
    pseudo: dict[str, str] = {}
    fields: list[tuple[str, str]] = []
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name.startswith(":"):
            pseudo[name] = value
        else:
            fields.append((name, value))
    _check_sizes(pseudo, fields, limits)
    method, protocol = pseudo[":method"], pseudo.get(":protocol")
    _check_method(method, protocol)
    target = _target(method, pseudo.get(":path", ""))
    fields = _with_host(pseudo.get(":authority"), fields)
    for name, value in fields:
        if _CONTROL.search(value) or not is_token(name):
            raise RequestFault(400, "a header field with a forbidden character")
    headers = Headers.of_text(fields)
    length = _read_length(headers, method, limits)
    request = Request(
        method, target, headers, http_version="2", scheme=scheme, protocol=protocol, client=client
    )
    return RequestFields(request, _expects_continue(headers), length)


def _check_sizes(pseudo: dict[str, str], fields: list[tuple[str, str]], limits: Limits) -> None:
    if len(pseudo.get(":path", "")) > limits.max_header_line:
        raise RequestFault.over(limits, "max_header_line", 414, "request target", "bytes")
    if len(fields) > limits.max_headers:
        raise RequestFault.over(limits, "max_headers", 431, "request head", "fields")
    sizes = [len(name) + len(value) + _LINE for name, value in [*pseudo.items(), *fields]]
    if max(sizes) > limits.max_header_line:
        what = "a field of the request head"
        raise RequestFault.over(limits, "max_header_line", 431, what, "bytes")
    if sum(sizes) > limits.max_head_size:
        raise RequestFault.over(limits, "max_head_size", 431, "request head", "bytes")


def _check_method(method: str, protocol: str | None) -> None:
    if method == "CONNECT" and protocol is None:
        raise RequestFault(501, "this is no proxy: CONNECT is not supported")
    if protocol not in (None, "websocket"):
        raise RequestFault(501, "the only protocol to CONNECT to is websocket")
    if not is_token(method):
        raise RequestFault(400, "a method that is no word")


def _target(method: str, path: str) -> str:
    if _TARGET.match(path) or (path == "*" and method == "OPTIONS"):
        return path
    raise RequestFault(400, "a request target that is no path")


def _with_host(authority: str | None, fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Let ``:authority`` stand for the Host field, which h2 has held against it."""
    if authority is not None:
        fields = [("host", authority), *(field for field in fields if field[0] != "host")]
    if not HOST.match(dict(fields).get("host", "")):
        raise RequestFault(400, "an authority that names no host")
    return fields


def _read_length(headers: Headers, method: str, limits: Limits) -> int | None:
    """Judge the announced length."""
    lengths = set(headers.get_all("content-length"))
    if not lengths:
        return None
    if method == "CONNECT":
        raise RequestFault(400, "a CONNECT with a Content-Length")
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise RequestFault(400, "a Content-Length that is not one number")
    size = int(length[:20])
    if size > limits.max_body_size:
        raise RequestFault.over(limits, "max_body_size", 413, "request body", "bytes")
    return size


def _expects_continue(headers: Headers) -> bool:
    """Judge ``Expect`` (RFC 9110, section 10.1.1)."""
    for value in headers.get_all("expect"):
        if parse_list(value.lower()) != ["100-continue"]:
            raise RequestFault(417, "an expectation other than 100-continue")
    return headers.get("expect") is not None
