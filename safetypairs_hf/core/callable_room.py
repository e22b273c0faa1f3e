"""Make a package callable as the function of its name, so that `sp.versions("org/name")` works.

`import safetypairs_hf.versions.diff` makes Python set the package `versions` as an attribute of `safetypairs_hf`,
where a user expects the function `versions`. A callable package is both.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A package that is called like a function of one of its modules. The first call imports that module."""

    _room_module: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    @property
    def __wrapped__(self) -> Any:
        """The function. `inspect` and notebooks read its signature here."""
        return getattr(import_module(self._room_module), self.__name__.rpartition(".")[2])

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return import_module, (self.__name__,)


def make_callable(room: str, module: str) -> None:
    """Make the package `room` callable as the function that has its name.

    Args:
        room: The full name of the package, its `__name__`.
        module: The name of the module in the package that defines the function.
    """
    package = sys.modules[room]
    package.__class__ = CallableRoom
    vars(package)["_room_module"] = vars(package)["__module__"] = f"{room}.{module}"
