"""Handlers: they read the request, ask the domain and render."""
