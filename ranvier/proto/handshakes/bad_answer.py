"""Answers of other servers that are not what was asked for."""


class BadAnswer(Exception):
    """The answer is malformed or does not fit the question; the text says why, for people."""
