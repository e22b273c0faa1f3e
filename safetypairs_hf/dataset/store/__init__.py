"""How published versions are read: from a local folder, or from the Hub."""
