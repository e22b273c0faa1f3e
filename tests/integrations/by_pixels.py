"""A guard of LightEval's protocol that answers by the pixels of an image: `lighteval custom` reads this file."""

from __future__ import annotations

from typing import Any

from answers import word_of
from lighteval.models.abstract_model import LightevalModel
from lighteval.models.model_output import ModelResponse
from lighteval.utils.cache_management import SampleCache


class ByPixels(LightevalModel):
    def __init__(self, config: Any) -> None:
        self.config = config
        self._cache = SampleCache(config)
        self.asked: list[str] = []

    @property
    def tokenizer(self) -> Any:
        return None

    @property
    def add_special_tokens(self) -> bool:
        return False

    @property
    def max_length(self) -> int:
        return 64

    def greedy_until(self, docs: list[Any]) -> list[ModelResponse]:
        self.asked += [doc.query for doc in docs]
        return [ModelResponse(text=[word_of(doc.images[0])], input=doc.query) for doc in docs]

    def loglikelihood(self, docs: list[Any]) -> list[ModelResponse]:
        raise NotImplementedError

    def loglikelihood_rolling(self, docs: list[Any]) -> list[ModelResponse]:
        raise NotImplementedError
