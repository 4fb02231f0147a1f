"""Prompts synthesized in advance: complete, plausible, equally loud, and kept where calls never push them out."""

from __future__ import annotations

from audio.codecs import g711
from audio.format import Encoding
from audio.frame import Frame
from audio.loudness import levelled
from gateway.errors import GatewayError, VendorError, VendorReplyInvalid
from gateway.kit.closing import closing
from gateway.speech.cache import CachedSynthesizer, PromptCache
from gateway.speech.fallback import Patience, Voice, speak_with_fallback
from gateway.speech.prompt import Prompt, flaw_of
from gateway.speech_interfaces import SpokenFrame, Utterance

PATIENCE = Patience(first=20.0, next=10.0)
"""Nobody waits on the phone."""


async def render(voice: CachedSynthesizer, cache: PromptCache, utterance: Utterance) -> Prompt:
    """Have an utterance spoken by its vendor alone, and keep it.

    Args:
        utterance: With the format it is to be kept in.
    Returns:
        As it is kept.
    Raises:
        VendorError: the vendor did not speak all of it, or what came is not plausible.
        GatewayError: the disk did not take it.
    """
    troubles: list[VendorError] = []
    pieces = speak_with_fallback([Voice(voice.behind, utterance)], PATIENCE, troubles.append)
    async with closing(pieces) as spoken:
        made = tuple([piece async for piece in spoken])
    if troubles:
        raise troubles[0]
    if flaw := flaw_of(made, utterance, voice.capabilities.formats):
        raise VendorReplyInvalid(flaw, vendor=utterance.vendor, operation="speak")
    prompt = as_loud_as_all(made)
    if not await cache.keep_rendered(voice.key_of(utterance), prompt):
        raise GatewayError("the folder of prompts did not take it: the disk is full, or cannot be written to")
    return prompt


def as_loud_as_all(prompt: Prompt) -> Prompt:
    """A whole prompt at the common loudness, in the pieces it came in. All of it has one format."""
    format = prompt[0].frame.format
    pcm = levelled(pcm_of(prompt), format.rate)
    data = pcm if format.encoding is Encoding.L16 else g711.encode(pcm, format.encoding)
    made, at = [], 0
    for piece in prompt:
        size = len(piece.frame.data)
        made.append(SpokenFrame(Frame(data[at : at + size], format, piece.frame.pts_samples), piece.chars))
        at += size
    return tuple(made)


def pcm_of(prompt: Prompt) -> bytes:
    """All of it as signed 16-bit little-endian PCM at its own rate."""
    return b"".join(piece.frame.pcm() for piece in prompt)
