"""Open the target of a release: a repo on the Hub, or a local folder."""

from __future__ import annotations

from safetypairs_hf.core.embedded_set import NAME
from safetypairs_hf.core.errors import PublishError, SafetyPairsError
from safetypairs_hf.core.target_name import parse_place
from safetypairs_hf.publishing.local_target import LocalTarget
from safetypairs_hf.publishing.target import Target


def parse_target(text: str, *, private: bool = False, gated: str | None = None, create_pr: bool = False) -> Target:
    """Open the place to publish to. Nothing is read or made yet.

    Args:
        text: `org/name` on the Hub, or a local folder.
        private: Make the Hub repo private.
        gated: Gate the Hub repo: "auto" or "manual".
        create_pr: Propose the release as a pull request.

    Raises:
        PublishError: The text is not the name of a dataset, could be both a folder and a Hub id, or names a version; or
            privacy or gating was requested for a folder or a pull request.
    """
    try:
        name = parse_place(text)
    except SafetyPairsError as error:
        raise PublishError(str(error)) from error
    if name.is_embedded:
        raise PublishError(
            f"{text!r} is the dataset in the package, which only a new safetypairs-hf can change; write ./{NAME} "
            "for a folder, or org/name for the Hub"
        )
    if name.place.removeprefix("./") != (text.rstrip("/") or "/").removeprefix("./"):
        raise PublishError(
            f"{text!r} is not a target: it means {name.place} here, but only for reading; write "
            f"{name.place}, or ./{text} for a folder"
        )
    if create_pr and (private or gated):
        raise PublishError("a pull request changes no settings: leave out --private and --gated")
    if name.is_folder:
        if private or gated or create_pr:
            raise PublishError(f"{text} is a local folder: --private, --gated and --create-pr are for the Hub")
        return LocalTarget(name.place)
    from safetypairs_hf.publishing.hub_target import HubTarget

    return HubTarget(name.place, private=private, gated=gated, create_pr=create_pr)
