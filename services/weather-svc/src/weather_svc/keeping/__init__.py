"""Keeping answers: fresh ones are used again, stale ones tide over, and nothing is asked twice at once."""
