"""A bug, documented on disk: read, sealed, measured, verified, reported."""
