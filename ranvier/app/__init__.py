"""The application: every object is built here, once and by hand."""

from ranvier.app.serve import serve

__all__ = ["serve"]
