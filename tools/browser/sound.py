"""Sound for a browser's microphone, and what its page has heard held against what the gateway has said."""

from __future__ import annotations

import base64
import io
import wave
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from audio.files import read
from audio.format import L16_16K
from audio.resample import resample
from audio.wav import write_wav

RATE = 16_000
STEP = RATE // 50
PIECE = RATE // 2
SHIFTS = 8
"""Shifts that are tried within such a step."""
LOUD = 650
"""Amplitude of what is sound, rather than noise: 0.02 of full scale."""
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

EAR = f"""
(() => {{
  const Socket = window.WebSocket;
  window.signals = [];
  window.WebSocket = class extends Socket {{
    constructor(...given) {{
      super(...given);
      this.addEventListener("message", ({{data}}) => window.signals.push([performance.now(), "<", String(data)]));
    }}
    send(data) {{
      window.signals.push([performance.now(), ">", String(data)]);
      super.send(data);
    }}
  }};
  window.tapped = [];
  window.heardFirst = null;
  let sound = null;
  let stream = null;
  const listen = () => {{
    for (const before of window.tap || []) {{
      before.disconnect();
      before.onaudioprocess = null;
    }}
    const source = sound.createMediaStreamSource(stream);
    const tap = sound.createScriptProcessor(512, 1, 1);
    tap.onaudioprocess = (event) => {{
      const pcm = Int16Array.from(event.inputBuffer.getChannelData(0), (sample) => Math.round(sample * 32767));
      if (window.heardFirst === null && pcm.some((sample) => Math.abs(sample) > {LOUD})) {{
        window.heardFirst = performance.now();
      }}
      window.tapped.push(btoa(String.fromCharCode(...new Uint8Array(pcm.buffer))));
    }};
    source.connect(tap);
    tap.connect(sound.destination);
    window.tap = [source, tap];
  }};
  addEventListener("mousedown", () => {{
    sound = sound || new AudioContext({{sampleRate: {RATE}}});
    if (document.body.dataset.call === "none") {{
      window.clicked = performance.now();
      window.heardFirst = null;
      window.tapped = [];
    }}
  }}, true);
  setInterval(() => {{
    const now = document.getElementById("heard")?.srcObject;
    if (sound && now && now !== stream) {{
      stream = now;
      listen();
    }}
  }}, 5);
}})()
"""
"""Run before a page's own scripts, keeps what it hears since the click that began the call, as `TAP` does, and when it
heard something first; and in `window.signals` what its WebSockets carry."""

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


def said_by_us(recording: bytes) -> Samples:
    """What a recording of ours, a WAV file, has on its right channel: what was said to the caller. At 16 kHz."""
    with wave.open(io.BytesIO(recording)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        assert channels == 2, f"{channels} channels"
        both = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return np.frombuffer(resample(both[1::2].tobytes(), rate, RATE), np.int16).astype(float)


def from_first_sound(samples: Samples) -> Samples:
    return samples[int(np.argmax(np.abs(samples) > LOUD)) :]


def loudness(samples: Samples) -> Samples:
    """The level of each 20 ms, in dB above a floor, so that pauses count as much as words."""
    whole = samples[: len(samples) // STEP * STEP].reshape(-1, STEP)
    decibels: Samples = np.maximum(20 * np.log10(np.sqrt((whole**2).mean(axis=1)) + 1e-3) - 30, 0)
    return decibels


def likeness(heard: Samples, said: Samples) -> float:
    """How much the course of the loudness is alike, at the shift that fits best: 1 is the same.

    A gap that a busy machine leaves moves all behind it, and costs much: this is told, and `closeness` is what counts.
    """
    ours, best = loudness(said), 0.0
    for begin in range(0, STEP, STEP // SHIFTS):
        theirs = loudness(heard[begin:])
        for shift in range(max(1, len(theirs) - len(ours) + 1)):
            piece = theirs[shift : shift + len(ours)]
            if len(piece) == len(ours) and piece.std() > 0 and ours.std() > 0:
                best = max(best, float(np.corrcoef(piece, ours)[0, 1]))
    return best


def closeness(heard: Samples, said: Samples) -> float:
    """How exactly half seconds of what was said are heard, sample by sample: the median of their correlations.

    A browser's jitter buffer stretches and squeezes what it plays, so each is looked for where it may be; those that it
    has stretched, as at the beginning of a call, are the worse half.
    """
    begun, found = int(np.argmax(np.abs(heard) > LOUD)), []
    for start in range(0, len(said) - PIECE, PIECE):
        piece = said[start : start + PIECE]
        if (piece**2).mean() < LOUD**2 / 16:
            continue
        near = heard[max(0, begun + start - PIECE) : begun + start + 2 * PIECE]
        if len(near) < PIECE:
            found.append(0.0)
            continue
        energy = np.convolve(near**2, np.ones(PIECE), mode="valid") * (piece**2).sum()
        found.append(float((np.correlate(near, piece, mode="valid") / np.sqrt(np.maximum(energy, 1.0))).max()))
    return float(np.median(found)) if found else 0.0
