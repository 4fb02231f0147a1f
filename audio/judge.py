"""The judge of voice activity: the Silero network (MIT, see `audio/data/SILERO_LICENSE`), evaluated in numpy for
many calls at once.

One evaluation of n windows costs a few matrix products instead of n small ones, which makes a window five times as
cheap. `audio.judge_batch` gathers the windows; `tools/make_vad_weights.py` makes the weights.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RATE = 8000
WINDOW_SAMPLES = 256  # 32 ms at 8 kHz
CONTEXT_SAMPLES = 32  # of the audio before the window, for the first frame of the transform
INPUT_SAMPLES = CONTEXT_SAMPLES + WINDOW_SAMPLES
STATE_SHAPE = (2, 128)  # hidden and cell state of one call
REST_WINDOWS = 1  # of silence; with none, first words go unheard, with more, tones that begin at once are words

_FRAME = 128  # samples of a short-time spectrum
_HOP = 64
_FRAMES = 4
_BINS = 65
_DATA = Path(__file__).parent / "data"


def load_weights(folder: Path = _DATA) -> dict[str, Floats]:
    """Read the tensors by name: a JSON header with shapes and offsets beside one file of little-endian float32."""
    header = json.loads((folder / "silero_vad.json").read_text(encoding="ascii"))
    values = np.frombuffer((folder / "silero_vad.f32").read_bytes(), "<f4")
    return {
        name: values[entry["offset"] : entry["offset"] + int(np.prod(entry["shape"]))].reshape(entry["shape"])
        for name, entry in header["tensors"].items()
    }


class Judge:
    """How likely a window of 32 ms holds speech, given what was heard before.

    The published network works at 16 kHz. Fed with 8 kHz samples its transform's upper half is empty and its lower
    half is twice the half-sized transform of the samples as they are, so neither a resampler nor the upper channels
    of the first convolution are needed. Each convolution is unrolled over its few points in time into one dense
    matrix. The object holds weights only; the state of a call belongs to the caller.
    """

    def __init__(self, weights: dict[str, Floats] | None = None) -> None:
        w = load_weights() if weights is None else weights
        self._transform = _transform_matrix()
        self._layers = [
            (_unroll(w["conv1.weight"], 4, 1), np.tile(w["conv1.bias"], 4)),
            (_unroll(w["conv2.weight"], 4, 2), np.tile(w["conv2.bias"], 2)),
            (_unroll(w["conv3.weight"], 2, 2), w["conv3.bias"]),
            (_unroll(w["conv4.weight"], 1, 1), w["conv4.bias"]),
        ]
        # A logistic function is a tanh of half its argument, so that one tanh serves all four gates.
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), 128)  # gates in PyTorch's order: i, f, g, o
        self._gates = np.ascontiguousarray(np.concatenate([w["lstm.weight_ih"].T, w["lstm.weight_hh"].T]) * half)
        self._gates_bias = w["lstm.bias"] * half
        self._out = np.ascontiguousarray(w["out.weight"])
        self._out_bias = float(w["out.bias"][0])
        self.rest_state = self._at_rest()

    def _at_rest(self) -> Floats:
        """The state of a call on which nobody has spoken yet, shape (2, 128).

        All zeros would be a call that has not begun: from there one sentence in ten is noticed 0.3 s late or more,
        since the silence before it never reaches the judge.
        """
        states = np.zeros((1, *STATE_SHAPE), np.float32)
        for _ in range(REST_WINDOWS):
            self.evaluate(np.zeros((1, INPUT_SAMPLES), np.float32), states)
        state: Floats = states[0]
        return state

    def evaluate(self, windows: Floats, states: Floats) -> Floats:
        """Judge one window of each of n calls.

        Args:
            windows: Shape (n, 288): 32 samples of context and 256 new ones at 8 kHz, in -1…1.
            states: Shape (n, 2, 128), `rest_state` for a new call; replaced in place.
        Returns:
            Shape (n,): probabilities of speech.
        """
        spectrum = windows @ self._transform
        np.square(spectrum, out=spectrum)
        half = _FRAMES * _BINS
        x = np.sqrt(spectrum[:, :half] + spectrum[:, half:])
        for matrix, bias in self._layers:
            x = x @ matrix
            x += bias
            np.maximum(x, 0, out=x)
        gates = np.concatenate([x, states[:, 0]], axis=1) @ self._gates
        gates += self._gates_bias
        np.tanh(gates, out=gates)
        take_in, forget, new, give_out = (gates[:, 128 * k : 128 * (k + 1)] for k in range(4))
        cell = (0.5 * forget + 0.5) * states[:, 1] + (0.5 * take_in + 0.5) * new
        hidden = (0.5 * give_out + 0.5) * np.tanh(cell)
        states[:, 0], states[:, 1] = hidden, cell
        score = np.maximum(hidden, 0) @ self._out + self._out_bias
        probability: Floats = 0.5 * np.tanh(0.5 * score) + 0.5
        return probability


def _transform_matrix() -> Floats:
    """Windowed Fourier transform of four frames as one matrix (288, 2 * 4 * 65): real parts, then imaginary parts.

    The input is continued by its own mirror image at the end, 32 samples of it; magnitudes come out doubled.
    """
    reflected = np.concatenate([np.arange(INPUT_SAMPLES), np.arange(INPUT_SAMPLES - 2, INPUT_SAMPLES - 34, -1)])
    time = np.arange(_FRAME)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * time / _FRAME)
    angle = 2 * np.pi * np.outer(time, np.arange(_BINS)) / _FRAME
    matrix = np.zeros((INPUT_SAMPLES, 2, _FRAMES, _BINS))
    for frame in range(_FRAMES):
        samples = reflected[frame * _HOP : frame * _HOP + _FRAME]
        np.add.at(matrix[:, 0, frame], samples, 2 * hann[:, None] * np.cos(angle))
        np.add.at(matrix[:, 1, frame], samples, 2 * hann[:, None] * np.sin(angle))
    return matrix.reshape(INPUT_SAMPLES, -1).astype(np.float32)


def _unroll(kernel: Floats, length: int, stride: int) -> Floats:
    """A convolution of width 3 with padding 1 over `length` points as a matrix from (time, in) to (time, out)."""
    channels_out, channels_in, width = kernel.shape
    points = (length - 1) // stride + 1
    matrix = np.zeros((length, channels_in, points, channels_out), np.float32)
    for point in range(points):
        for tap in range(width):
            source = point * stride + tap - 1
            if 0 <= source < length:
                matrix[source, :, point] = kernel[:, :, tap].T
    return matrix.reshape(length * channels_in, points * channels_out)
