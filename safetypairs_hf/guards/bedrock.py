"""Guardrails of AWS Bedrock as guards: the confidence of their content filters for an image, through boto3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Final

from safetypairs_hf.core.errors import RecipeError, SafetyPairsError
from safetypairs_hf.core.pictures import encode, media_type
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.core.settings import to_give
from safetypairs_hf.guards.hosted import Fault, HostedGuard, kept
from safetypairs_hf.taxonomy import crosswalk

_GUARD: Final = "bedrock-guardrails"
_LEVELS: Final = ("NONE", "LOW", "MEDIUM", "HIGH")
_FORMATS: Final = {"image/png": "png", "image/jpeg": "jpeg"}  # other formats are sent as PNG, without loss


@dataclass(frozen=True)
class BedrockGuardrail(HostedGuard):
    """P(unsafe) = the highest confidence of the content filters for the category, in even steps.

    NONE is 0, LOW 1/3, MEDIUM 2/3 and HIGH 1. These are ordered levels, not probabilities. The guardrail is your own.
    Its blocking thresholds have no effect, because the request asks for the confidence of every filter. A category
    without a filter is not covered (crosswalk), and its images are not sent. If the guardrail does not use the filter
    for images, the guard abstains with "no_verdict".

    Args (see `HostedGuard` for the others):
        guardrail: The id of the guardrail.
        version: The version of the guardrail, "DRAFT" or a number.
        region: The AWS region; "" uses the AWS configuration.
        profile: The AWS profile; "" uses the AWS configuration.
    """

    guardrail: str = ""
    version: str = "DRAFT"
    region: str = ""
    profile: str = ""
    family: str = _GUARD
    fidelity: ClassVar[str] = "trained"
    expects: ClassVar[str] = "the confidence of a filter for the category; turn it on for images in the guardrail"
    service: ClassVar[str] = "AWS Bedrock"
    package: ClassVar[str] = "boto3"
    extra: ClassVar[str] = "bedrock"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.guardrail:
            raise RecipeError(
                f"guard {_GUARD!r} needs guardrail, the id of a guardrail of yours; {to_give('guardrail')}"
            )

    @property
    def name(self) -> str:
        return f"bedrock:{self.guardrail}"

    @property
    def revision(self) -> str:
        return f"version {self.version}"

    @property
    def subject(self) -> str:
        return f"guardrail {self.guardrail!r} of version {self.version!r}"

    @property
    def key_from(self) -> str:
        return "the credentials of AWS"

    def covers(self, slug: str) -> bool:
        return bool(crosswalk.match(_GUARD, slug, self.taxonomy).codes)

    def connect(self, module: Any) -> Any:
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            retries={"total_max_attempts": self.retries + 1, "mode": "standard"},
            connect_timeout=self.timeout,
            read_timeout=self.timeout,
            max_pool_connections=self.concurrency,
        )
        try:
            session = module.Session(region_name=self.region or None, profile_name=self.profile or None)
            return session.client("bedrock-runtime", endpoint_url=self.url or None, config=config)
        except BotoCoreError as error:  # no region, no such profile
            said = str(error).rstrip(".")
            raise SafetyPairsError(f"{self.service}: {said}; set region, profile, or the variables of AWS") from error

    def ask(self, client: Any, image: Picture, slug: str) -> Verdict:
        image = image if media_type(image.data) in _FORMATS else encode(image.pixels)
        shown = {"format": _FORMATS[media_type(image.data)], "source": {"bytes": image.data}}
        answer = client.apply_guardrail(
            guardrailIdentifier=self.guardrail,
            guardrailVersion=self.version,
            source="INPUT",
            content=[{"image": shown}],
            outputScope="FULL",
        )
        if "assessments" not in answer:  # the client ignores a body that is not JSON
            raise ValueError(f"an answer without assessments: {sorted(answer)}")
        filters = [
            each
            for assessment in answer["assessments"]
            for each in (assessment.get("contentPolicy") or {}).get("filters") or []
        ]
        wanted = crosswalk.match(_GUARD, slug, self.taxonomy).codes
        raw = kept(" ".join(f"{each.get('type')}:{each.get('confidence')}" for each in filters))
        levels = [each.get("confidence") for each in filters if each.get("type") in wanted]
        if not levels:
            return Verdict(None, "no_verdict", raw or kept(str(answer.get("action", ""))))
        if not set(levels) <= set(_LEVELS):
            return Verdict(None, "broken_output", raw)
        return Verdict(max(map(_LEVELS.index, levels)) / (len(_LEVELS) - 1), "", raw)

    def fault(self, module: Any, error: Exception) -> Fault | None:
        from botocore import exceptions

        if isinstance(error, exceptions.ClientError):
            said, status = error.response.get("Error", {}), error.response["ResponseMetadata"]["HTTPStatusCode"]
            code = str(said.get("Code", ""))
            status = 429 if "Throttling" in code or "Quota" in code else status
            return Fault(f"{code}: {said.get('Message', '')}", status)
        if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
            raise SafetyPairsError(
                f"{self.service} needs credentials ({error}); set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a "
                "profile"
            ) from error
        if isinstance(error, exceptions.ReadTimeoutError):
            return Fault(str(error), late=True)
        if isinstance(error, (exceptions.EndpointConnectionError, exceptions.ConnectTimeoutError)):
            return Fault(str(error), unreachable=True)
        if isinstance(error, exceptions.BotoCoreError):
            return Fault(str(error))
        return None
