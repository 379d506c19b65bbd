"""Rows over HTTP: one, many, embedded, inserted, streamed."""
