"""A package that can be called as the function of its name, so that `sp.versions("org/name")` works.

`import safetypairs_hf.versions.diff` makes Python set the package `versions` as an attribute of `safetypairs_hf`,
where a user expects the function `versions`. A callable package is both.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class CallableRoom(ModuleType):
    """A package that is called as one function of one of its modules, which is imported at the first call."""

    _room_module: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__wrapped__(*args, **kwargs)

    @property
    def __wrapped__(self) -> Any:
        """The function, by which `inspect` and notebooks find its signature."""
        return getattr(import_module(self._room_module), self.__name__.rpartition(".")[2])

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return import_module, (self.__name__,)


def make_callable(room: str, module: str) -> None:
    """Make the package `room` callable as the function of its name.

    Args:
        room: The full name of the package, as its `__init__` has it in `__name__`.
        module: The module below it that has the function.
    """
    package = sys.modules[room]
    package.__class__ = CallableRoom
    vars(package)["_room_module"] = vars(package)["__module__"] = f"{room}.{module}"
