"""Records read back: validated, scored again, and refused by name if they are not true."""

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

import jsonschema

from xraylab.findings import FINDINGS
from xraylab.models.stored import stored_cost
from xraylab.results.errors import ResultError
from xraylab.results.predictions import Answers, file_name, read_predictions
from xraylab.results.scoring import Measure, disagreements, score_all


@dataclass(frozen=True)
class Result:
    """One recorded run.

    Attributes:
        path: its file.
        values: what the file holds, as its schema ``result.schema.json`` says.
        answers: labels and logits of the validation and test images by split; None if they were not
            kept.
    """

    path: Path
    values: dict
    answers: dict[str, Answers] | None

    @property
    def name(self):
        """Name of the record, which is that of its file too."""
        return self.values["name"]

    @property
    def recipe(self):
        """The recipe as plain values; files and folders by their names alone."""
        return self.values["recipe"]

    @property
    def label_names(self):
        """Names of the labels."""
        return tuple(self.values["measure"]["label_names"])

    @property
    def simulated(self):
        """Whether its images are simulated."""
        return self.values["simulated"]

    def score(self, name, split="test"):
        """Return one of the scores over all labels; None where it is undefined."""
        return self.values["scores"][split][name]


def load_result(path):
    """Read one record and score its predictions again, where they were kept.

    Intervals and calibration take seconds and are left to :func:`check_results`.

    Raises:
        ResultError: naming the file, if it is no record, does not fit the schema, was changed since
            it was written, has another name than its file, or says other scores than its
            predictions give.
        FileNotFoundError: if there is no such file.
    """
    path = Path(path)
    values = _read(path)
    require_sound(path, values)
    if values["sha256"] != digest(values):
        raise ResultError(
            f"{path}: the record was changed after it was written: its hash is {digest(values)}, "
            f"and it says {values['sha256']}. Record the run again"
        )
    if values["name"] != path.stem:
        raise ResultError(f"{path}: this is the record of {values['name']}; give it that name back")
    result = Result(path, values, _answers(path, values))
    _require_unit(result)
    _require_true(result, quick=True)
    return result


def load_results(folder):
    """Read all records of a folder, sorted by name.

    Raises:
        ResultError: for the first that must not be believed, by name; and where two records have
            the same weights or the same predictions.
        FileNotFoundError: if there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of records; there is none")
    results = [load_result(path) for path in sorted(folder.glob("*.json"))]
    seen = {}
    for result in results:
        for total in {result.values["weights_sha256"], _logits_sha256(result)} - {None}:
            if seen.setdefault(total, result.name) != result.name:
                raise ResultError(
                    f"{result.path}: {seen[total]} has the same weights or predictions; one run is "
                    "one record. Remove one of them"
                )
    return results


def check_results(folder, progress=False):
    """Read all records of a folder, and compute anew everything that predictions can tell.

    Returns:
        ``(checked, unchecked)``: names of the records whose scores, intervals, calibration and
        thresholds were computed anew, and of those whose predictions were not kept.

    Raises:
        ResultError: naming the file, if a record must not be believed.
        FileNotFoundError: if there is no such folder.
    """
    checked, unchecked = [], []
    for result in load_results(folder):
        if result.answers is None:
            unchecked.append(result.name)
        else:
            _require_true(result, quick=False, progress=progress)
            checked.append(result.name)
    return checked, unchecked


def digest(values):
    """Return the hash of everything in a record but the hash itself."""
    rest = {name: value for name, value in values.items() if name != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _read(path):
    """Return what a JSON file holds."""

    def refuse(constant):
        raise ValueError(f"{constant} is no number that JSON knows")

    try:
        values = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
        digest(values if isinstance(values, dict) else {})  # 1e999 is inf without saying so
        return values
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: there is no such record") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ResultError(f"{path}: expected a record in JSON, but {error}") from error


def require_sound(path, values):
    """Refuse values that do not fit the schema, or do not agree with each other.

    Raises:
        ResultError: naming the file.
    """
    problem = jsonschema.exceptions.best_match(_validator().iter_errors(values))
    if problem is not None:
        where = "/".join(map(str, problem.absolute_path)) or "the whole"
        raise ResultError(f"{path}: {where} is not as a record has it: {problem.message[:300]}")
    recipe, images, measure = values["recipe"], values["data"], values["measure"]
    training = values["training"]
    pairs = [
        ("epochs trained", training["epochs"], recipe["epochs"]),
        ("label names", measure["label_names"], recipe["label_names"]),
        ("number of prevalences", len(measure["prevalence"]), len(measure["label_names"])),
    ]
    for split, facts in images.items():
        pairs += [
            (f"size of the {split} images", facts["size"], recipe["size"]),
            (f"source of the {split} images", facts["source"], recipe["data"]),
            (f"simulated of the {split} images", values["simulated"], facts["source"] == "phantom"),
        ]
    count = _parameters(recipe)
    if count is not None:
        pairs.append(("number of parameters", training["parameters"], count))
    for what, told, expected in pairs:
        if told != expected:
            raise ResultError(f"{path}: {what}: it says {told} here and {expected} there")
    if training["best_epoch"] > training["epochs"]:
        raise ResultError(f"{path}: its best epoch {training['best_epoch']} is after the last")
    if values["simulated"] and values["predictions"] is None:
        raise ResultError(f"{path}: answers to simulated images are always kept; here are none")


def _parameters(recipe):
    """Return how many parameters the model of a recipe has, or None where no table tells."""
    if recipe.get("model_options") or len(recipe["label_names"]) != len(FINDINGS):
        return None
    try:
        return stored_cost(recipe["model"], recipe["size"]).parameters
    except (KeyError, ValueError):
        return None


def _require_unit(result):
    """Refuse intervals over something else than the answers know."""
    if result.answers is None:
        return
    unit = "images" if result.answers["test"].patients is None else "patients"
    if result.values["measure"]["unit"] != unit:
        raise ResultError(f"{result.path}: its intervals must come from resampling {unit}")


def _logits_sha256(result):
    """Return a hash of a record's answers, whatever their file is like; None without them."""
    if result.answers is None:
        return None
    content = b"".join(mine.logits.tobytes() for mine in result.answers.values())
    return hashlib.sha256(content).hexdigest()


def _answers(path, values):
    """Return the predictions beside a record, or None if none were kept."""
    kept = values["predictions"]
    if kept is None:
        return None
    if kept["file"] != file_name(values["name"], kept["sha256"]):
        raise ResultError(f"{path}: {kept['file']} cannot be the predictions of {values['name']}")
    answers = read_predictions(path.with_name(kept["file"]), kept["sha256"])
    for split, mine in answers.items():
        images = values["data"][split]
        if mine.labels_sha256 != images["labels_sha256"] or len(mine.labels) != images["images"]:
            raise ResultError(f"{path}: its predictions are of other {split} images than it says")
    return answers


def _require_true(result, quick, progress=False):
    """Refuse a record that says something else than its predictions."""
    if result.answers is None:
        return
    told = result.values
    try:
        measure = Measure.from_dict(told["measure"])
        found = score_all(result.answers, measure, quick=quick, progress=progress)
    except (ValueError, TypeError) as error:
        raise ResultError(f"{result.path}: its predictions cannot be scored: {error}") from error
    for place, said, computed in disagreements(told, found):
        raise ResultError(
            f"{result.path}: it says {place} {said}; its predictions give {computed}. Record the "
            "run again"
        )


@cache
def _validator():
    schema = resources.files("xraylab.results") / "result.schema.json"
    usual = jsonschema.Draft202012Validator
    # JSON Schema takes 50.0 for an integer; whoever counts with it does not.
    strict = usual.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    checker = jsonschema.validators.extend(usual, type_checker=strict)
    return checker(json.loads(schema.read_text(encoding="utf-8")))
