"""Redis over HTTP: one command, a hundred, and many listeners."""
