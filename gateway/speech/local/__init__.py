"""Speech without a vendor: espeak-ng speaks, pocketsphinx hears what a question allows; both in worker processes.

The gateway's process never imports or loads either engine: espeak-ng is GPL-3.0, so it stays a separate program behind
a pipe, and pocketsphinx holds the GIL while it works. What runs there are `speak_worker` and `listen_worker`; what
talks to them is `pool`, in the messages of `wire`.
"""
