"""`safetypairs score`: compute pair-consistent figures of a prediction file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from safetypairs_hf.cli.options import scoring_options, weights_option

if TYPE_CHECKING:
    from safetypairs_hf.metric.pairs import Reading


@click.command()
@click.argument("predictions")
@scoring_options
@click.option(
    "--threshold-from", metavar="PREDICTIONS", help="Predictions on train; use the threshold that is best on them."
)
@weights_option
@click.option("--data", metavar="TARGET[@VERSION]", help="The data of the predictions; checks and joins them.")
@click.option("--as-of", metavar="VERSION", help="Only the pairs of this earlier version of the data.")
@click.option("--split", help="The split, for the signature.")
@click.option("--controls", metavar="PREDICTIONS", help="Predictions on the pairs' controls, for artifact_gap.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(
    predictions: str,
    reading: Reading,
    threshold_from: str | None,
    weights: dict[str, float] | None,
    data: str | None,
    as_of: str | None,
    split: str | None,
    controls: str | None,
    as_json: bool,
) -> None:
    """Compute pair-consistent accuracy. PREDICTIONS is a Parquet, CSV or JSON file, a folder of them, - or a URL.

    There is one row per image, with pair_id, reference (1 unsafe, 0 safe), prediction (1, 0 or empty) or score
    (P(unsafe)), and optionally category, group and sample (repeated answers). A file that `safetypairs evaluate` wrote
    records its data.

    With --data, the pairs must belong to that version and have its categories and images. Category and group are taken
    from it if the file has none. If `evaluate` wrote the file for another version, its rows are joined to this one by
    the hashes of the images, and scored by this version's labels.

    --as-of scores the pairs of an earlier version (X.Y.Z, or a folder with it) by the labels of --data. It prints the
    pairs that were removed or relabelled, and how much each part changed the pair accuracy.

    CONTROLS has the same guard's answers to the config `controls`, with a column control: null_edit, neutral_edit or
    both_regenerated, which is the default. artifact_gap is the pair accuracy on the pairs minus that on the regenerated
    ones, with a paired interval. It is far above 0 if a guard reacts to traces of the edit instead of its content.

    \b
    safetypairs score guard.csv
    safetypairs score guard.csv --threshold-from guard-train.csv
    safetypairs score guard.csv --controls guard-controls.csv
    safetypairs score guard.parquet --data org/name@1.2.0 --json
    safetypairs score guard.parquet --data org/name@2.0.0 --as-of 1.0.0
    """
    from safetypairs_hf.core.errors import PairError
    from safetypairs_hf.evaluating.as_of import score_checked
    from safetypairs_hf.evaluating.checking import Checked, check_data
    from safetypairs_hf.evaluating.coverage import covered_by, remarks
    from safetypairs_hf.evaluating.prediction_file import predictions_of, told_by

    if as_of and not data:
        raise PairError(f"--as-of {as_of} without --data; give the version whose labels count: --data TARGET@X.Y.Z")
    if data:
        checked = check_data(predictions, data, as_of, reading.get("labels"))
    else:
        checked = Checked(predictions_of(predictions), told_by(predictions))
    result = score_checked(
        checked, threshold_from=threshold_from, weights=weights, controls=controls, split=split, **reading
    )
    if as_json:
        found = None if checked.joined else covered_by(predictions, **reading)
        click.echo(json.dumps(result.to_dict() | ({"covered": found.to_dict()} if found else {}), indent=2))
        return
    click.echo(str(result))
    for remark in () if checked.joined else remarks(predictions, **reading):
        click.echo(f"\n{remark}")
