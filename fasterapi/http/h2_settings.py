"""h2 as a server of ours wants it: what it tells the client, and how much it remembers.

Our settings (RFC 9113, section 6.5; RFC 8441, section 3) are sent with the first bytes and never
changed. The other half of this file keeps in bounds what h2 would keep for ever.
"""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, H2Connection
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream

from ..limits import MAX_HEADER_LIST, Limits

__all__ = ["CONNECTION_WINDOW", "keep_table_small", "make_connection", "stream_window"]

CONNECTION_WINDOW = 1 << 20
"""Bytes that may be on their way to us on all streams of a connection together. No stream can use
it up for the others: what arrives is credited at once."""

_DEFAULT_WINDOW = 65_535
_MAX_WINDOW = (1 << 31) - 1
_TABLE = 4096


class _Connection(H2Connection):
    MAX_CLOSED_STREAMS = 1024  # of which h2 knows how they ended; its 65,536 would be megabytes

    def _begin_new_stream(self, stream_id: int, allowed_ids: AllowedStreamIDs) -> H2Stream:
        """Begin a stream whose length h2 does not judge, for it would end the connection."""
        stream = super()._begin_new_stream(stream_id, allowed_ids)
        setattr(stream, "_initialize_content_length", _ignore)  # noqa: B010 - typed as a method
        return stream


def _ignore(fields: object) -> None:
    """Learn nothing of the length from header fields: ``h2_intake`` does."""


def stream_window(limits: Limits) -> int:
    """Give the bytes that may be on their way to us on one stream.

    Before our settings have arrived a client counts with the default, so it is no less.
    """
    return min(max(limits.receive_high_water, _DEFAULT_WINDOW), _MAX_WINDOW)


def make_connection(limits: Limits) -> H2Connection:
    """Make the connection of h2, which has its first frames to send already."""
    # What is wrong with a request is a matter of its stream (section 8.1.1): ``h2_request`` judges.
    config = H2Configuration(client_side=False, validate_inbound_headers=False)
    connection = _Connection(config)
    max_list = max(MAX_HEADER_LIST, limits.max_head_size)
    values = {
        SettingCodes.MAX_CONCURRENT_STREAMS: limits.max_h2_streams,
        SettingCodes.MAX_HEADER_LIST_SIZE: max_list,
        SettingCodes.INITIAL_WINDOW_SIZE: stream_window(limits),
        SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
    }
    connection.local_settings = Settings(client=False, initial_values=values)
    connection.decoder.max_header_list_size = max_list
    connection.initiate_connection()
    # One stream too many is a matter of that stream (section 5.1.2); to h2 it would be the end.
    values[SettingCodes.MAX_CONCURRENT_STREAMS] = _MAX_WINDOW
    connection.local_settings = Settings(client=False, initial_values=values)
    connection.increment_flow_control_window(CONNECTION_WINDOW - _DEFAULT_WINDOW)
    return connection


def keep_table_small(connection: H2Connection) -> None:
    """Take a client's offer of memory for header fields for the upper bound that it is.

    Taken up, it would be ours too, for years of Date fields.
    """
    if connection.encoder.header_table_size > _TABLE:
        connection.encoder.header_table_size = _TABLE
