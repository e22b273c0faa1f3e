"""The source of the recipe `signs`: scenes of signs, one of which shows an unsafe composition of a block."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property

from safetypairs_hf.core.errors import RecipeError
from safetypairs_hf.core.pictures import encode
from safetypairs_hf.core.records import Candidate, Origin, Reject
from safetypairs_hf.icons.backgrounds import quiet
from safetypairs_hf.icons.colours import theme
from safetypairs_hf.icons.scenes import generator
from safetypairs_hf.signs.block_files import blocks
from safetypairs_hf.signs.blocks import Block, Edge
from safetypairs_hf.signs.neutral import draw_neutral
from safetypairs_hf.signs.policies import signs_taxonomy
from safetypairs_hf.signs.sign_drawing import sign_of
from safetypairs_hf.signs.wall import hang, paint_wall
from safetypairs_hf.taxonomy.categories import Taxonomy

_SMALLEST = 192
# The order in which the edges of a block are used: every two of them have each element once unsafe and once safe.
_ORDERS = ((0, 1, 2, 3), (2, 3, 0, 1), (1, 0, 3, 2), (3, 2, 1, 0))


@dataclass(frozen=True)
class SignScenes:
    """Endless scenes of `image_size` x `image_size` pixels; candidate i depends only on seed, i and size.

    Candidates cycle through the categories; within a category they cycle through its blocks, and through the four edges
    of each block, so that every item and every context is about as often unsafe as safe. The `family` of a candidate is
    its block. The id of its origin names the block, the policy line that is broken and the one that permits the safe
    member.

    Raises:
        RecipeError: The size is too small to read signs, the taxonomy is another one, or the vocabulary breaks a rule.
    """

    seed: int = 0
    image_size: int = 384
    taxonomy: Taxonomy = field(default_factory=signs_taxonomy, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.image_size < _SMALLEST:
            raise RecipeError(f"size is {self.image_size}; signs can be read from {_SMALLEST} pixels on; give more")
        if self.taxonomy != signs_taxonomy():
            raise RecipeError(
                f"the taxonomy is {self.taxonomy.name}; signs cite the lines of {signs_taxonomy().name}: leave "
                "--taxonomy out, or take another recipe"
            )

    @cached_property
    def categories(self) -> tuple[str, ...]:
        """Return the categories that have blocks."""
        return tuple(self.taxonomy.present(block.category for block in blocks()))

    @property
    def size(self) -> int | None:
        return None

    def rejected_inputs(self) -> list[tuple[str, Reject]]:
        """Return nothing: there are no inputs."""
        return []

    def fingerprint(self) -> str:
        """Return a hash over every block of the vocabulary."""
        return hashlib.sha256(json.dumps([asdict(block) for block in blocks()]).encode()).hexdigest()

    def take(self, start: int, stop: int) -> list[Candidate]:
        return [self._candidate(i) for i in range(start, stop)]

    def edge(self, i: int) -> Edge:
        """Return the edge that candidate i shows."""
        k, place = divmod(i, len(self.categories))
        mine = _blocks_of(self.categories[place])
        turn, step = divmod(k, 4 * len(mine))
        number, position = divmod(step, len(mine))
        order = generator("signs-order", self.seed, self.categories[place], turn).permutation(len(mine))
        chosen = int(order[position])
        return mine[chosen].edges[_ORDERS[(chosen + turn) % len(_ORDERS)][number]]

    def _candidate(self, i: int) -> Candidate:
        rng = generator("signs", self.seed, i)
        edge = self.edge(i)
        unsafe, safe, block = edge.unsafe, edge.safe, edge.unsafe.block
        look = theme(rng)
        canvas = quiet(rng, self.image_size, look)
        wall = hang(rng, self.image_size, sign_of(unsafe), draw_neutral(rng, int(rng.integers(2, 6))), look)
        paint_wall(canvas, wall)
        scene = f"{block.name}:{unsafe.line}:{safe.line}:scene-{self.seed}-{i}"
        return Candidate(
            source_id=hashlib.sha256(str(canvas.shape).encode() + canvas.tobytes()).hexdigest()[:16],
            category=block.category,
            origin=Origin("fontawesomefree", scene, "CC-BY-4.0"),
            unsafe=encode(canvas),
            family=block.name,
            hint={
                "block": block.name,
                "item": unsafe.item,
                "context": unsafe.context,
                "swap": edge.swap,
                "region": list(wall.main.region),
            },
        )


@cache
def _blocks_of(category: str) -> tuple[Block, ...]:
    return tuple(block for block in blocks() if block.category == category)
