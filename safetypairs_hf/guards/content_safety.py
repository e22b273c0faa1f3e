"""Azure AI Content Safety as a guard: the severity of four harms in an image, through Microsoft's client."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.records import Picture, Verdict
from safetypairs_hf.guards.hosted import Fault, HostedGuard, kept
from safetypairs_hf.taxonomy import crosswalk

_GUARD: Final = "azure-content-safety"
_WORST: Final = 6  # images get severities 0, 2, 4 and 6


@dataclass(frozen=True)
class ContentSafety(HostedGuard):
    """P(unsafe) = the highest severity, from 0 to 6, of the harms for the category, divided by 6.

    The values 0, 1/3, 2/3 and 1 are ordered levels, not probabilities. A category without a harm of the service is not
    covered (crosswalk), and its images are not sent.

    Args (see `HostedGuard` for the others):
        url: The endpoint of the resource, such as "https://NAME.cognitiveservices.azure.com".
        api_key_env: The environment variable that holds the key.
        api_version: The version of the service's API.
    """

    api_key_env: str = field(default="CONTENT_SAFETY_KEY", compare=False)
    api_version: str = "2023-10-01"
    family: str = _GUARD
    name: ClassVar[str] = _GUARD
    fidelity: ClassVar[str] = "trained"
    expects: ClassVar[str] = "a severity of 0, 2, 4 or 6 for the category"
    service: ClassVar[str] = "Azure AI Content Safety"
    package: ClassVar[str] = "azure.ai.contentsafety"
    extra: ClassVar[str] = "azure"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.url:
            raise RecipeError(
                f"guard {_GUARD!r} needs url, the endpoint of your resource; give "
                "url=https://NAME.cognitiveservices.azure.com"
            )

    @property
    def revision(self) -> str:
        return f"api {self.api_version}"

    @property
    def key_from(self) -> str:
        return f"the key in {self.api_key_env}"

    def covers(self, slug: str) -> bool:
        return bool(crosswalk.match(_GUARD, slug, self.taxonomy).codes)

    def connect(self, module: Any) -> Any:
        from azure.core.credentials import AzureKeyCredential

        return module.ContentSafetyClient(
            self.url.rstrip("/"),
            AzureKeyCredential(self.key(self.api_key_env)),
            api_version=self.api_version,
            retry_total=self.retries,
            connection_timeout=self.timeout,
            read_timeout=self.timeout,
        )

    def ask(self, client: Any, image: Picture, slug: str) -> Verdict:
        models = self.module.models
        options = models.AnalyzeImageOptions(image=models.ImageData(content=image.data))
        found = client.analyze_image(options).categories_analysis
        severities = {str(getattr(each.category, "value", each.category)): each.severity for each in found}
        wanted = crosswalk.match(_GUARD, slug, self.taxonomy).codes
        raw = kept(" ".join(f"{code}:{severity}" for code, severity in severities.items()))
        read = [each for each in map(severities.get, wanted) if type(each) is int]
        if len(read) < len(wanted):
            return Verdict(None, "no_verdict", raw)
        if not all(0 <= each <= _WORST for each in read):
            return Verdict(None, "broken_output", raw)
        return Verdict(max(read) / _WORST, "", raw)

    def fault(self, module: Any, error: Exception) -> Fault | None:
        from azure.core import exceptions

        if isinstance(error, exceptions.DecodeError):  # also raised for a truncated answer
            return Fault(str(error), broken=True)
        if isinstance(error, exceptions.HttpResponseError):
            return Fault(error.message, error.status_code or 0)
        if isinstance(error, exceptions.ServiceResponseTimeoutError):
            return Fault(str(error), late=True)
        if isinstance(error, exceptions.ServiceRequestError):
            return Fault(str(error), unreachable=True)
        if isinstance(error, exceptions.AzureError):
            return Fault(str(error))
        return None
