"""What the gateway costs, measured: `make bench` prints it beside a bare echo, `make bench-pipecat` beside Pipecat."""
