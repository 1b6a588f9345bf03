"""The log of the process: set up from a file or by default, with the id of the request in every record."""
