"""Calls through real SIP peers: SIPp, baresip, and Kamailio with rtpengine. `make test-peers`; needs root."""
