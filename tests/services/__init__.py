"""What tests need running beside them: PostgreSQL, a homeserver process, Node."""
