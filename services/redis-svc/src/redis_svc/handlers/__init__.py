"""Handlers: parse the request, call the store, render."""
