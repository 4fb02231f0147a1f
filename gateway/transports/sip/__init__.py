"""SIP (RFC 3261): calls by signalling over WebSocket, UDP, TCP and TLS, with media of our own."""
