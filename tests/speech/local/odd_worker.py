"""A worker that does what a text tells it, for the tests of the pool: echo, crash, hang, babble, flood its log."""

from __future__ import annotations

import os
import signal
import sys

from gateway.speech.local.pipe import Pipe, complain
from gateway.speech.local.wire import Kind, Message


def obey(pipe: Pipe, message: Message) -> None:
    match message.body.decode().split(" ", 1):
        case ["echo", text]:
            pipe.send_json(Kind.DONE, message.job, {"text": text, "pid": os.getpid()})
        case ["crash"]:
            os._exit(3)
        case ["crash-once", path]:
            if not os.path.exists(path):
                with open(path, "w"):
                    os._exit(3)
            pipe.send_json(Kind.DONE, message.job, {"pid": os.getpid()})
        case ["hang"]:
            signal.pause()
        case ["babble"]:
            os.write(pipe._out, b"this is no message at all, and never will be one")
            signal.pause()
        case ["complain", text]:
            complain(text)
            print("a library prints")
            pipe.send_json(Kind.DONE, message.job, {})
        case ["environment"]:
            pipe.send_json(Kind.DONE, message.job, {"names": sorted(os.environ), "modules": sorted(sys.modules)})


def main() -> None:
    if "--dies" in sys.argv:
        sys.exit(1)
    pipe = Pipe()
    pipe.send(Kind.HELLO)
    try:
        while True:
            for message in pipe.read(wait=True):
                if message.kind is Kind.PING:
                    pipe.send(Kind.PONG)
                elif message.kind is Kind.OPEN:
                    obey(pipe, message)
    except EOFError:
        return


if __name__ == "__main__":
    main()
