"""Storefronts beside what else one would use: ``python -m bench --help``."""
