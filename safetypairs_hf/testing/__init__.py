"""Stand-ins for the world: a Hub server on this machine, and small models of the real classes."""
