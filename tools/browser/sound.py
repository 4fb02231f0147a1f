"""Sound for a browser's microphone, and what its page has heard held against what the gateway has said."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio.files import read
from audio.format import L16_16K
from audio.wav import write_wav

RATE = 16_000
STEP = RATE // 50
TAP = f"""
(() => {{
  const stream = document.getElementById("heard").srcObject;
  const sound = new AudioContext({{sampleRate: {RATE}}});
  const source = sound.createMediaStreamSource(stream);
  const tap = sound.createScriptProcessor(4096, 1, 1);
  window.tapped = [];
  tap.onaudioprocess = (event) => {{
    const pcm = Int16Array.from(event.inputBuffer.getChannelData(0), (sample) => Math.round(sample * 32767));
    window.tapped.push(btoa(String.fromCharCode(...new Uint8Array(pcm.buffer))));
  }};
  source.connect(tap);
  tap.connect(sound.destination);
  window.tap = [sound, source, tap];
  return true;
}})()
"""
"""Run in the page, keeps what it hears in `window.tapped`: pieces of PCM at 16 kHz in base64."""

Samples = npt.NDArray[np.float64]


def microphone(path: Path, phrases: Mapping[float, Path], seconds: float) -> None:
    """A file that says each phrase at its second, and nothing else."""
    track = np.zeros(int(seconds * RATE), np.int16)
    for at, phrase in phrases.items():
        pcm = np.frombuffer(read(phrase, L16_16K), np.int16)
        start = int(at * RATE)
        track[start : start + len(pcm)] = pcm[: len(track) - start]
    write_wav(path, track.tobytes(), RATE)


def tapped(pieces: list[str]) -> Samples:
    pcm = b"".join(base64.b64decode(piece) for piece in pieces)
    return np.frombuffer(pcm, np.int16).astype(float)


def loudness(samples: Samples) -> Samples:
    """The level of each 20 ms, in dB above a floor, so that pauses count as much as words."""
    whole = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    return np.maximum(20 * np.log10(np.sqrt((whole**2).mean(axis=1)) + 1e-3) - 30, 0)


def likeness(heard: Samples, said: Samples) -> float:
    """How much the course of the loudness is alike, at the shift that fits best: 1 is the same.

    Sample by sample they are not, because a browser's jitter buffer stretches and squeezes what it plays.
    """
    ours, theirs = loudness(said), loudness(heard)
    best = 0.0
    for shift in range(max(1, len(theirs) - len(ours) + 1)):
        piece = theirs[shift : shift + len(ours)]
        if len(piece) == len(ours) and piece.std() > 0 and ours.std() > 0:
            best = max(best, float(np.corrcoef(piece, ours)[0, 1]))
    return best
