"""Engines: an embedded index, a file, a search server, any function."""
