"""Frames of the benchmark's clients and stubs: read whole, cut anywhere, masked or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from benchmarks import wire


def read_by_websockets(data: bytes, *, masked: bool) -> tuple[int, bytes]:
    """What the library that serves the gateway makes of it."""
    stream = StreamReader()
    stream.feed_data(data)
    reading = Frame.parse(stream.read_exact, mask=masked)
    with pytest.raises(StopIteration) as done:
        next(reading)
    frame = done.value.value
    return int(frame.opcode), bytes(frame.data)


@pytest.mark.parametrize("size", [0, 5, 125, 126, 300, 65535])
def test_what_a_client_sends_is_understood_by_a_server(size: int) -> None:
    payload = b"x" * size
    assert read_by_websockets(wire.client_head(size) + payload, masked=True) == (Opcode.TEXT, payload)


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 100_000])
def test_what_a_stub_sends_is_understood_by_a_client(size: int) -> None:
    payload = b"x" * size
    assert read_by_websockets(wire.server_frame(payload, wire.BINARY), masked=False) == (Opcode.BINARY, payload)


@given(st.lists(st.binary(max_size=400), max_size=5), st.booleans(), st.data())
def test_messages_are_the_same_wherever_the_stream_is_cut(
    payloads: list[bytes], masked: bool, data: st.DataObject
) -> None:
    stream = b"".join(bytes(Frame(Opcode.TEXT, payload).serialize(mask=masked)) for payload in payloads)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    reader = wire.FrameReader()
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    found = [message for piece in pieces for message in reader.feed(piece)]
    assert found == [(wire.TEXT, payload) for payload in payloads]


def test_a_message_without_measure_is_refused() -> None:
    head = bytes((0x82, 127)) + (wire.MAX_MESSAGE + 1).to_bytes(8, "big")
    with pytest.raises(ValueError, match="bytes"):
        list(wire.FrameReader().feed(head))
