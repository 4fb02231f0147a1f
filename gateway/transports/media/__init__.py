"""What carries a call's audio by RTP, whoever signals it: descriptions, paths, and the session that stands on them."""
