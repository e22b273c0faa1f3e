"""Categories and policies as data: a taxonomy is a YAML file; the nine categories of this package are the default.

    from safetypairs_hf import taxonomy

    taxonomy.check("mine.yaml")                      # every fault, one line each
    print(taxonomy.diff("safetypairs@1.0", "mine.yaml"))  # the differences, and the version step they need
    print(taxonomy.read("mine.yaml").policy("gambling"))

`crosswalk` maps the nine categories to those of other guards.
"""

from __future__ import annotations

from safetypairs_hf.taxonomy.categories import Category as Category
from safetypairs_hf.taxonomy.categories import Taxonomy as Taxonomy
from safetypairs_hf.taxonomy.taxonomy_changes import TaxonomyDifference as TaxonomyDifference
from safetypairs_hf.taxonomy.taxonomy_changes import diff as diff
from safetypairs_hf.taxonomy.taxonomy_file import check as check
from safetypairs_hf.taxonomy.taxonomy_file import read as read
