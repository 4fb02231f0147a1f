"""The long tail of speech vendors, by the plug-ins of LiveKit's agents."""
