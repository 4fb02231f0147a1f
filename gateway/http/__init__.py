"""The shared port: health, API, webhooks, media sockets, metrics."""
