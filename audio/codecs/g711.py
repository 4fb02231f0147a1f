"""G.711 mu-law and A-law, to and from linear PCM, and to each other.

The tables are built once from the formulae of ITU-T G.711 (tables 1 and 2) at import. The encoder truncates to 14
(mu-law) or 13 (A-law) bits as the reference code that every carrier derives from does; rounding instead would differ
in one code for some hundred inputs, and then a forwarded frame would not come back as it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from audio.format import Encoding, MediaError

_MULAW_BIAS = 33  # G.711 table 2: what makes every segment start at a power of two, in 14-bit units
_MULAW_CLIP = 8158  # the largest 14-bit magnitude that does not overflow the last segment
_ALAW_TOGGLE = 0x55  # G.711 section 3.3: even bits are inverted on the wire


def _mulaw_to_linear() -> npt.NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    segment, step = (code >> 4) & 7, code & 0x0F
    magnitude = (((step << 1) + _MULAW_BIAS) << segment) - _MULAW_BIAS
    return np.where(code & 0x80, -magnitude << 2, magnitude << 2).astype(np.int16)


def _alaw_to_linear() -> npt.NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ _ALAW_TOGGLE
    segment, step = (code >> 4) & 7, code & 0x0F
    first = (step << 4) + 8
    magnitude = np.where(segment == 0, first, (first + 0x100) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _linear_in_table_order() -> npt.NDArray[np.int32]:
    """Every 16-bit sample at the index that its bytes have as an unsigned number."""
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)


def _linear_to_mulaw() -> npt.NDArray[np.uint8]:
    value = _linear_in_table_order() >> 2
    magnitude = np.minimum(np.abs(value), _MULAW_CLIP) + _MULAW_BIAS
    segment: npt.NDArray[np.int32] = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    code: npt.NDArray[np.int32] = (segment << 4) | ((magnitude >> (segment + 1)) & 0x0F)
    code ^= np.where(value < 0, 0x7F, 0xFF)
    return code.astype(np.uint8)


def _linear_to_alaw() -> npt.NDArray[np.uint8]:
    value = _linear_in_table_order() >> 3
    magnitude = np.where(value < 0, -value - 1, value)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    code = (segment << 4) | ((magnitude >> np.maximum(segment, 1)) & 0x0F)
    code ^= np.where(value < 0, _ALAW_TOGGLE, _ALAW_TOGGLE | 0x80)
    return code.astype(np.uint8)


_TO_LINEAR = {Encoding.PCMU: _mulaw_to_linear(), Encoding.PCMA: _alaw_to_linear()}
_FROM_LINEAR = {Encoding.PCMU: _linear_to_mulaw(), Encoding.PCMA: _linear_to_alaw()}


def _recode(source: Encoding, target: Encoding) -> bytes:
    """A 256-byte table for `bytes.translate`."""
    return _FROM_LINEAR[target].take(_TO_LINEAR[source].view(np.uint16)).tobytes()


_RECODE = {
    (Encoding.PCMU, Encoding.PCMA): _recode(Encoding.PCMU, Encoding.PCMA),
    (Encoding.PCMA, Encoding.PCMU): _recode(Encoding.PCMA, Encoding.PCMU),
}


def decode(data: bytes, encoding: Encoding) -> bytes:
    """Expand G.711 to linear PCM.

    Args:
        data: One byte per sample; may be empty. With ``Encoding.L16`` it is returned as it is.
        encoding: How `data` is written.
    Returns:
        Signed 16-bit little-endian PCM, ``2 * len(data)`` bytes.
    """
    if encoding is Encoding.L16:
        return data
    return _TO_LINEAR[encoding].take(np.frombuffer(data, np.uint8)).astype("<i2", copy=False).tobytes()


def encode(pcm: bytes, encoding: Encoding) -> bytes:
    """Compress linear PCM to G.711; the opposite of `decode`.

    Args:
        pcm: Signed 16-bit little-endian PCM; may be empty. With ``Encoding.L16`` it is returned as it is.
        encoding: How the result is to be written.
    Returns:
        One byte per sample.
    Raises:
        MediaError: when `pcm` ends in half a sample.
    """
    if len(pcm) % 2:
        raise MediaError(f"{len(pcm)} bytes do not hold whole 16-bit samples")
    if encoding is Encoding.L16:
        return pcm
    return _FROM_LINEAR[encoding].take(np.frombuffer(pcm, "<u2")).tobytes()


def transcode(data: bytes, source: Encoding, target: Encoding) -> bytes:
    """Write the samples of `data` in another encoding at the same rate.

    A-law and mu-law are exchanged by table, code for code, without a detour over PCM.

    Raises:
        MediaError: when `source` is L16 and `data` ends in half a sample.
    """
    if source is target:
        return data
    if table := _RECODE.get((source, target)):
        return data.translate(table)
    return decode(data, source) if target is Encoding.L16 else encode(data, target)
