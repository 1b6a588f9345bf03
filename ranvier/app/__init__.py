"""The application: every object is built here, once and by hand. `serve` runs it."""
