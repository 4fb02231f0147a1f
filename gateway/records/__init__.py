"""What remains of a call: journal, call record, recording, storage."""
