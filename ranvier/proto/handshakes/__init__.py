"""The handshakes by which users come into, and out of, rooms that their server is not in: what is asked and answered.

Spec: server-server API, "Joining Rooms", "Knocking upon a room", "Inviting to a room", "Leaving Rooms".
"""
