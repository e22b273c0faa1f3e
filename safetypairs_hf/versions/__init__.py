"""Published versions: list them, compare two of them, verify one."""
