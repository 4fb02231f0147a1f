"""`python -m benchmarks.pipecat` is `python -m benchmarks gateway --pipecat`."""

import sys

from benchmarks.__main__ import main

sys.exit(main(["gateway", "--pipecat", *sys.argv[1:]]))
