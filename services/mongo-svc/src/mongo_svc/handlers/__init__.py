"""The handlers: they parse requests, call the store and render what comes back."""
