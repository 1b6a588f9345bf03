"""Sending mail: composing it, and handing it to the operator's mail server."""
