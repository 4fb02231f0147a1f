"""What Chatlayer's documents leave open, decided in one place. docs/chatlayer.md lists the same points.

Everything else in this folder follows the vendor's Legacy API page, or its public pages "Webhook channel", "Message
types" and "Phone & voice" (November 2026).
"""

from __future__ import annotations

USER_ID_PATHS: tuple[tuple[str, ...], ...] = (
    ("senderId",),  # "Message types"
    ("recipient", "id"),  # "Webhook channel"
    ("sender", "id"),
    ("conversationId",),
    ("sessionId",),
    ("userId",),
)
"""Where a delivery names its user. The first two are documented, the others are what such bodies usually have."""

PREFIX_END = "-"
"""What ends a prefix before a user's id, such as ``default-`` in a published example."""

FIRST_COUNTER = 1
"""`messageCounter` of a conversation's first message; one that begins with another waits for the gap, and is played."""

BOT_ACTORS = frozenset({"bot"})
"""`actor` of the bot's rows in a history. The other side's name is not shown: whatever is not the bot is the user."""

PLAYED_ATTACHMENTS = frozenset({"audio"})
"""Attachments that are played. The documents show `image` and `video`; `audio` and `file` are assumed to look alike."""

SHOWN_ATTACHMENTS = frozenset({"image", "video", "file"})
"""Attachments that cannot be heard."""

EVENT_TYPES = frozenset({"event"})
"""`message.type` of what a JSON builder in the bot sends to the channel without showing it."""

EVENT_DATA_KEYS = ("data", "value", "payload", "config")
"""Where an event may keep what the bot's author wrote; it is looked for in the message itself, too."""

TRANSFER_KEYS = ("transfer", "transferTo", "forward")
"""Names of the number or address in an event that transfers; obeyed with `obey_events`."""

HANGUP_KEYS = ("hangup", "hangUp", "end")
"""Names of the flag in an event that hangs up; obeyed with `obey_events`."""
