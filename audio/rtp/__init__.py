"""RTP (RFC 3550): packets, receive order, digits, reports and sending. Pure; sockets and tickers are the leg's."""
