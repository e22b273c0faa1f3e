"""Sources of a build's images: a folder, or a dataset on the Hub."""

from safetypairs_hf.sources.folder import FolderSource
from safetypairs_hf.sources.frame import Frame
from safetypairs_hf.sources.hub_dataset import HubSource
from safetypairs_hf.sources.labels import Judged
from safetypairs_hf.sources.screen import HashFile, HashList, Screen

__all__ = ["FolderSource", "Frame", "HashFile", "HashList", "HubSource", "Judged", "Screen"]
