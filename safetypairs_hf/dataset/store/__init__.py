"""Read published versions from a local folder or from the Hub."""
