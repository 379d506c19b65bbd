"""A small answer, over HTTP and without a store; and connections that do nothing."""
