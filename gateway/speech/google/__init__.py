"""Google Cloud: Speech-to-Text in both of its versions, and Text-to-Speech, by Google's own clients."""
