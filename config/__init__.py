"""What an operator may write: settings as pydantic models, their loading, inheritance and origins. No I/O but files."""
