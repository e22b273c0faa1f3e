"""Categories and policies as data: a taxonomy is a YAML file, and the nine categories are the one that comes along.

    from safetypairs_hf import taxonomy

    taxonomy.check("mine.yaml")                      # every fault, a line each
    print(taxonomy.diff("safetypairs@1.0", "mine.yaml"))  # what differs, and which step of a version it takes
    print(taxonomy.read("mine.yaml").policy("gambling"))

`crosswalk` leads from the nine to the categories of other guards.
"""

from __future__ import annotations

from safetypairs_hf.taxonomy.categories import Category as Category
from safetypairs_hf.taxonomy.categories import Taxonomy as Taxonomy
from safetypairs_hf.taxonomy.taxonomy_changes import TaxonomyDifference as TaxonomyDifference
from safetypairs_hf.taxonomy.taxonomy_changes import diff as diff
from safetypairs_hf.taxonomy.taxonomy_file import check as check
from safetypairs_hf.taxonomy.taxonomy_file import read as read
