"""espeak-ng by ctypes. Only worker processes import this: the library is GPL-3.0 and stays behind a pipe.

Structures, constants and functions are those of `speak_lib.h`, espeak-ng 1.52. The library has one global state, so a
process has one `Espeak`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable

import espeakng_loader

RATE = 22050
"""Samples per second of every voice of espeak-ng."""
BUFFER_MS = 60
SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS: samples by callback, espeak_Synth returns when done
DONT_EXIT = 0x8000  # espeakINITIALIZE_DONT_EXIT: a missing data directory is an error code, not exit()
CHARS_UTF8, SSML = 0x01, 0x10
EVENT_END_OF_LIST, EVENT_WORD = 0, 1
PARAMETER_RATE, PARAMETER_PITCH, PARAMETER_RANGE = 1, 3, 4
PHONEMES_IPA = 0x02 | ord("_") << 8  # espeak_TextToPhonemes: IPA, phonemes separated by underscores

OnAudio = Callable[[bytes, list[tuple[int, int]]], bool]
"""Takes 16-bit samples, and words that begin: (sample since the beginning, character counted from 0). True: go on."""


class EspeakError(Exception):
    """espeak-ng refused."""


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


class _Voice(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("languages", ctypes.c_char_p), ("identifier", ctypes.c_char_p)]


_SynthCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))
_UriCallback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p)


class Espeak:
    """The library, loaded and ready.

    Raises:
        EspeakError: it, or its data, cannot be used.
    """

    def __init__(self) -> None:
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._lib.espeak_TextToPhonemes.restype = ctypes.c_char_p
        self._lib.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
        data = espeakng_loader.get_data_path().encode()
        if self._lib.espeak_Initialize(SYNCHRONOUS, BUFFER_MS, data, DONT_EXIT) != RATE:
            raise EspeakError("the data of espeak-ng cannot be used")
        self._on_audio: OnAudio | None = None
        self._raised: BaseException | None = None
        # Kept: ctypes does not. The second refuses every <audio> of SSML; espeak-ng would open the file it names, or
        # hand the name to a shell.
        self._callback = _SynthCallback(self._synthesized)
        self._no_files = _UriCallback(lambda _type, _uri, _base: 1)
        self._lib.espeak_SetSynthCallback(self._callback)
        self._lib.espeak_SetUriCallback(self._no_files)

    def choose_voice(self, names: Iterable[str]) -> str:
        """Take the first voice that exists.

        Returns:
            espeak-ng's identifier of it, such as ``roa/fr+f3``; without the variant where that does not exist.

        Raises:
            EspeakError: there is none.
        """
        if not any(self._lib.espeak_SetVoiceByName(name.encode()) == 0 for name in names):
            raise EspeakError("there is no such voice")
        identifier: bytes = self._lib.espeak_GetCurrentVoice().contents.identifier
        return identifier.decode(errors="replace")

    def set_manner(self, *, rate: int, pitch: int, inflection: int = 50) -> None:
        """Words per minute (80-450), base pitch and its range (0-99)."""
        self._lib.espeak_SetParameter(PARAMETER_RATE, rate, 0)
        self._lib.espeak_SetParameter(PARAMETER_PITCH, pitch, 0)
        self._lib.espeak_SetParameter(PARAMETER_RANGE, inflection, 0)

    def synthesize(self, text: str, *, ssml: bool, on_audio: OnAudio) -> None:
        """Speak; returns when the last samples have been handed over, or ``on_audio`` said stop.

        No pause is asked for at the end (the flag espeakENDPAUSE is left out).
        """
        data = text.replace("\0", " ").encode() + b"\0"
        self._on_audio = on_audio
        try:
            flags = CHARS_UTF8 | (SSML if ssml else 0)
            if self._lib.espeak_Synth(data, len(data), 0, 1, 0, flags, None, None) != 0:
                raise EspeakError("espeak-ng could not speak")
        finally:
            self._on_audio = None
        if self._raised is not None:
            raised, self._raised = self._raised, None
            raise raised

    def phonemes(self, text: str) -> str:
        """What the chosen voice would say, in IPA: phonemes separated by ``_``, words by blanks."""
        rest = ctypes.c_char_p(text.replace("\0", " ").encode() + b"\0")
        clauses: list[str] = []
        while rest.value:  # one clause a call; the pointer ends as NULL
            clauses.append(
                (self._lib.espeak_TextToPhonemes(ctypes.byref(rest), CHARS_UTF8, PHONEMES_IPA) or b"").decode()
            )
        return " ".join(clauses)

    def _synthesized(
        self, samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]
    ) -> int:
        words: list[tuple[int, int]] = []
        index = 0
        while events[index].type != EVENT_END_OF_LIST:
            if events[index].type == EVENT_WORD:
                words.append((events[index].sample, events[index].text_position - 1))
            index += 1
        data = ctypes.string_at(samples, count * 2) if count > 0 and samples else b""
        try:
            return 0 if self._on_audio is not None and self._on_audio(data, words) else 1
        except BaseException as error:  # ctypes would print it and go on; `synthesize` raises it
            self._raised = error
            return 1
