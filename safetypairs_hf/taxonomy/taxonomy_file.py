"""Read a taxonomy from a file, and check one: `safetypairs taxonomy check FILE`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from safetypairs_hf.core.errors import SafetyPairsError
from safetypairs_hf.core.foreign_text import MOST_SETTING_BYTES, ForeignTextError, fault, read_text
from safetypairs_hf.core.nearest import nearest
from safetypairs_hf.taxonomy.categories import Taxonomy
from safetypairs_hf.taxonomy.nine import NINE, PUBLISHED
from safetypairs_hf.taxonomy.taxonomy_yaml import Parsed, dump, from_values, parse

NAME: Final = "taxonomy.yaml"  # its file name in a run and in a version
_SHOWN: Final = 2


def read(file: str | Path | Taxonomy) -> Taxonomy:
    """Read a taxonomy.

    Args:
        file: A YAML file, or the name of a taxonomy of this package such as "safetypairs@1.0". A Taxonomy is returned
            unchanged.

    Returns:
        The taxonomy.

    Raises:
        SafetyPairsError: There is no such file, or it has faults. The message has the first ones.
    """
    if isinstance(file, Taxonomy):
        return file
    found, faults = _checked(file)
    if found is None or faults:
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise SafetyPairsError(
            f"{file} is not a valid taxonomy: {'; '.join(faults[:_SHOWN])}{more}; "
            f"see: safetypairs taxonomy check {file}"
        )
    return found


def check(file: str | Path) -> list[str]:
    """Return every fault of a taxonomy file, one line each; an empty list if it can be used.

    Args:
        file: The YAML file.

    Raises:
        SafetyPairsError: There is no such file, or it cannot be read.
    """
    return _checked(file).faults


def read_any(file: str | Path | Taxonomy) -> Taxonomy:
    """Read a taxonomy as `read` does, and also accept one that has a name of this package with other content."""
    found = None if isinstance(file, Taxonomy) else _parsed(file).taxonomy
    return found or read(file)


def refuse_name(taxonomy: Taxonomy) -> str:
    """Return why a taxonomy cannot have its name, or ""."""
    if PUBLISHED.get(taxonomy.name, taxonomy) == taxonomy:
        return ""
    return (
        f"its name {taxonomy.name} is that of a taxonomy in this package with other content; give it another "
        "version, or an id of your own"
    )


def from_text(text: str, where: str) -> Taxonomy:
    """Read the taxonomy of a run or a version from its YAML text. `where` names it in messages.

    Raises:
        SafetyPairsError: It has faults.
    """
    found, faults = parse(text, NINE)
    if found is None:
        raise SafetyPairsError(f"{where} is not a valid taxonomy: {faults[0]}")
    return found


def to_text(taxonomy: Taxonomy) -> str:
    """Return the YAML text that a run and a version contain."""
    return dump(taxonomy)


def to_record(taxonomy: Taxonomy) -> dict[str, Any] | None:
    """Return the record that restores a taxonomy together with its name; None for a taxonomy of this package."""
    return None if PUBLISHED.get(taxonomy.name) == taxonomy else taxonomy.to_dict()


def from_record(name: str | None, record: Any) -> Taxonomy:
    """Return the taxonomy for a stored name and record. Without both it is the nine, as in old versions.

    Raises:
        ValueError: The record is damaged, or this package does not know the name.
    """
    if record is None:
        name = name or NINE.name
        if name not in PUBLISHED:
            raise ValueError(f"its taxonomy is {name}, which this safetypairs-hf does not know")
        return PUBLISHED[name]
    found, faults = from_values(record, NINE)
    if found is None or found.name != name:
        raise ValueError(f"its taxonomy is damaged: {faults[0] if faults else f'it is not {name}'}")
    return found


def _checked(file: str | Path) -> Parsed:
    found, faults = _parsed(file)
    fault = refuse_name(found) if found else ""
    return Parsed(found, [fault] if fault else faults)


def _parsed(file: str | Path) -> Parsed:
    if str(file) in PUBLISHED and not Path(file).exists():
        return Parsed(PUBLISHED[str(file)], [])
    try:
        return parse(read_text(file, MOST_SETTING_BYTES), NINE)
    except (ForeignTextError, UnicodeDecodeError) as error:
        return Parsed(None, [fault("it", error)])
    except OSError as error:
        near = nearest(str(file), PUBLISHED)
        ours = f" (or {near}, which is in this package)" if near else ""
        raise SafetyPairsError(
            f"cannot read the taxonomy {str(file)!r}: {error.strerror or error}; give a YAML file{ours}"
        ) from error
