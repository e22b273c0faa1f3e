"""Local stand-ins for services and models: a Hub server on this machine, and small models of the real classes."""
