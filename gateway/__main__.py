"""The command's entry point. Sets what must be set before numpy is imported, then hands over to `cli`."""

from __future__ import annotations

import os


def main() -> None:
    """Run `talkpath`."""
    # Batches of the voice detector are small: more BLAS threads spin on every core and double its CPU.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from gateway.cli import run

    run()


if __name__ == "__main__":
    main()
