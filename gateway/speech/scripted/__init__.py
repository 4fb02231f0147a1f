"""Speech by script, for tests, demonstrations and benchmarks: no engine, no network, the same every time."""
