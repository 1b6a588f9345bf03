"""Finding other servers and talking to them. What the domain sees of it is in `ranvier.ports`."""
