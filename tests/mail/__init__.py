"""Tests of what this server sends by mail, against a real mail server."""
