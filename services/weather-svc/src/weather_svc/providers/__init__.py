"""Weather services: one module with one class for each."""
