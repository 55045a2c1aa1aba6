import zlib
from collections.abc import Sequence

from fasterapi import App, WebSocket
from fasterapi.errors import PayloadError
from fasterapi.protocol import Extension, Frame
from fasterapi.protocol.codes import Opcode
from fasterapi.protocol.extensions import Params

RSV2 = 0x20
SIZE = 4


class Checksum(Extension):
    """Ends each frame of a message with a CRC-32; RSV2 on the first frame says so."""

    rsv = RSV2

    def __init__(self) -> None:
        self.checking = False  # the message that is being received

    def encode(self, frame: Frame, *, compress: bool | None) -> Frame:
        crc = zlib.crc32(frame.payload).to_bytes(SIZE, "big")
        first = frame.opcode is not Opcode.CONTINUATION
        return frame._replace(
            payload=frame.payload + crc, rsv=frame.rsv | RSV2 if first else frame.rsv
        )

    def decode(self, frame: Frame, *, limit: int) -> Frame:
        if frame.opcode is not Opcode.CONTINUATION:
            self.checking = bool(frame.rsv & RSV2)
        if not self.checking:
            return frame
        payload, crc = frame.payload[:-SIZE], frame.payload[-SIZE:]
        if zlib.crc32(payload).to_bytes(SIZE, "big") != crc:
            raise PayloadError("a frame with the wrong checksum")
        return frame._replace(payload=payload, rsv=frame.rsv & ~RSV2)


class ChecksumFactory:
    """Negotiates it: a name without parameters, on both sides."""

    name = "x-checksum"

    def offers(self) -> Sequence[Params]:
        return [()]

    def respond(self, params: Params) -> tuple[Params, Extension] | None:
        return ((), Checksum()) if params == () else None

    def accept(self, params: Params) -> Extension:
        return Checksum()


app = App()


@app.websocket("/", extensions=[ChecksumFactory()])
async def echo(ws: WebSocket) -> None:
    async for message in ws:
        await ws.send(message)


if __name__ == "__main__":
    app.run()
