"""Published versions: list them, compare two of them, verify one.

The package is also called as its function `versions`: `sp.versions("org/name")`.
"""

from safetypairs_hf.core.callable_room import make_callable

make_callable(__name__, "versions")
