"""`talkpath voices`: what a vendor has to offer."""

from __future__ import annotations

from gateway.errors import GatewayError
from gateway.speech_interfaces import ListsVoices, VoiceInfo
from gateway.trying.vendor import Tried


async def voices_of(tried: Tried, language: str | None) -> list[VoiceInfo]:
    """The vendor's voices, those for a language where one is given.

    Raises:
        GatewayError: It has none, cannot list them, or none of them speaks the language.
        VendorError: It did not answer.
    """
    synthesizer = tried.synthesizer
    if not isinstance(synthesizer, ListsVoices):
        raise GatewayError(f"{tried.name} cannot list its voices; its own documentation does")
    every = await synthesizer.voices()
    found = [voice for voice in every if language is None or speaks(voice, language)]
    if not found:
        raise GatewayError(f"no voice of {tried.name} speaks {language}" if every else f"{tried.name} lists no voice")
    return found


def speaks(voice: VoiceInfo, language: str) -> bool:
    """Whether a voice speaks a language: ``fr`` is every French one, ``fr-CA`` that of Canada, or any French."""
    wanted = _folded(language)
    tags = [_folded(tag) for tag in voice.languages]
    return not tags or any(
        tag == wanted or tag.startswith(f"{wanted}-") or wanted.startswith(f"{tag}-") for tag in tags
    )


def _folded(tag: str) -> str:
    return tag.strip().lower().replace("_", "-")
