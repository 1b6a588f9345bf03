"""The command lines of the server: what the flags mean, and the life of the process."""
