"""mongo-svc: documents and catalogs over MongoDB."""
