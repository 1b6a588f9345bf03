"""State resolution: what is true in a room where branches of its history meet.

Spec: room versions, "State resolution". Pure and without I/O: generators that ask for the events they need.
"""
