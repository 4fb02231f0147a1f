"""`python -m benchmarks.pipecat` is `python -m benchmarks.run --pipecat`."""

import sys

from benchmarks.run import main

sys.exit(main(["--pipecat", *sys.argv[1:]]))
