"""Documents over HTTP: by name, a page, many at once, a great many as a stream."""
