from dataclasses import replace

from fasterapi import SAME_ORIGIN, Compression, Limits
from fasterapi.contrib.uvicorn import WebSocketProtocol


class Strict(WebSocketProtocol):
    websocket_limits = replace(Limits(), receive_high_water=256 * 1024)
    compression = Compression(minimum_size=256)
    origins = SAME_ORIGIN
