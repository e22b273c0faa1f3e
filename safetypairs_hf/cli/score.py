"""`safetypairs score`: pair-consistent figures of a file of predictions."""

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
    "--threshold-from", metavar="PREDICTIONS", help="Predictions on train: take the threshold that is best there."
)
@weights_option
@click.option("--data", metavar="TARGET[@VERSION]", help="The data that they are on: checked, joined.")
@click.option("--as-of", metavar="VERSION", help="Only the pairs that this earlier version of the data held.")
@click.option("--split", help="Its split, for the signature.")
@click.option("--controls", metavar="PREDICTIONS", help="Predictions on the pairs' controls: artifact_gap.")
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
    """Pair-consistent accuracy of PREDICTIONS: a Parquet, CSV or JSON file, a folder of them, - or an address.

    One row an image, with pair_id, reference (1 unsafe, 0 safe), prediction (1, 0 or empty) or score (P(unsafe)), and
    where there are any category, group and sample (repeated answers). A file that `safetypairs evaluate` wrote says
    itself what it is on.

    With --data the pairs must be of that version, with its categories and images; category and group are taken from it
    where the file has none. A file that `evaluate` wrote on another version is joined to it by the hashes of the
    images, and scored by its labels.

    --as-of scores the pairs that an earlier version held (X.Y.Z, or a folder that holds it) by the labels of --data,
    and says what moved: pairs gone, pairs relabelled, and how much each part changed the pair accuracy.

    CONTROLS holds the same guard's answers to the config `controls`, with a column control: null_edit, neutral_edit or
    both_regenerated (without the column: all are of the last). artifact_gap is the pair accuracy on the pairs less that
    on the regenerated ones, with a paired interval: far above 0 where a guard sees the edit and not what it shows.

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
