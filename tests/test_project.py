"""Consistency of the project's metadata files, imports and citations."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from xraylab import models

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def constraints():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def requirements(project):
    extras = project["optional-dependencies"].values()
    texts = project["dependencies"] + [text for extra in extras for text in extra]
    return [Requirement(text) for text in texts]


EXCEPTIONS = {"keras": {"!=", "<"}, "jupyter-book": {"<"}}
"""Operators of requirements that exclude versions known not to work, or major versions to come."""


def test_pyproject_states_lower_bounds_only(project):
    for requirement in requirements(project):
        operators = {specifier.operator for specifier in requirement.specifier}
        operators -= EXCEPTIONS.get(requirement.name, set())
        assert operators == {">="}, f"{requirement} is not a lower bound"
        assert requirement.url is None


def test_constraints_satisfy_every_lower_bound(project, constraints):
    apart = project["optional-dependencies"]["parity"]  # a separate environment, not pinned
    for requirement in requirements(project):
        if str(requirement) in apart and canonicalize_name(requirement.name) not in constraints:
            continue
        version = constraints.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is missing in constraints.txt"
        assert requirement.specifier.contains(version), f"{requirement} but {version} is known good"


def test_constraints_hold_names_and_versions_only(constraints):
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z0-9-]+==[A-Za-z0-9.+!]+", line), line
    assert not {"torch", "torchvision"} & constraints.keys()
    assert constraints["jupyter-book"].startswith("1.")  # the last that reads _toc.yml
    assert "medmnist" in constraints


def test_imports_of_the_tests_are_declared(project):
    """A dependency of a dependency may disappear with its next version."""
    named = {canonicalize_name(requirement.name) for requirement in requirements(project)}
    # Dependencies of dependencies that will not disappear.
    named |= {"xraylab", "pillow", "packaging", "h5py", "ipython", "nbformat", "sphinx"}
    titles = {"pil": "pillow", "sklearn": "scikit-learn"}
    titles |= {"websocket": "websocket-client", "yaml": "pyyaml"}
    local = {path.stem for folder in ("tests", "tools") for path in (ROOT / folder).rglob("*.py")}
    undeclared = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = {node.module}
            else:
                continue
            tops = {name.split(".")[0] for name in names} - sys.stdlib_module_names - local
            undeclared |= {titles.get(top.lower(), canonicalize_name(top)) for top in tops} - named
    assert not undeclared


def test_environment_yml_installs_the_same(project, constraints):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (pip,) = (entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict))
    assert f"python{project['requires-python']},<3.14" in conda  # as in the Makefile
    assert "--constraint constraints.txt" in pip
    (editable,) = (entry for entry in pip if entry.startswith("--editable"))
    extras = set(re.search(r"\[(.*)\]", editable)[1].split(","))
    makefile = (ROOT / "Makefile").read_text()
    assert extras == set(re.search(r"^EXTRAS := (.*)$", makefile, re.MULTILINE)[1].split(","))
    assert extras <= project["optional-dependencies"].keys()
    named = {entry for entry in pip if not entry.startswith("--")}
    known = {canonicalize_name(requirement.name) for requirement in requirements(project)}
    assert named - {"keras-cv"} <= known & constraints.keys()


def test_workflows_use_existing_targets_and_supported_versions():
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    workflows = {path.stem: path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")}
    for name, text in workflows.items():
        assert yaml.safe_load(text)["jobs"], name
        assert set(re.findall(r"\bmake ([a-z-]+)", text)) <= {*targets, "setup"}, name
    jobs = yaml.safe_load(workflows["tests"])["jobs"]
    assert jobs["tested-versions"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_package_data_includes_every_file():
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    patterns = tool["package-data"]["xraylab"]
    package = ROOT / "xraylab"
    included = {path for pattern in patterns for path in package.glob(pattern)}
    files = {path for path in package.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in files if path.suffix != ".py"} <= included


def test_version_is_the_same_everywhere(project):
    import xraylab

    assert "version" in project["dynamic"]  # read from xraylab.__version__
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == xraylab.__version__
    assert f"## {xraylab.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def run_python(code, **environment):
    """Run code in a fresh process and return what it prints."""
    command = [sys.executable, "-c", code]
    options = {"env": os.environ | environment, "capture_output": True, "text": True}
    done = subprocess.run(command, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_xraylab_is_light():
    code = (
        "import sys, xraylab; "
        "from xraylab import data, evaluation, models, phantom, metrics, results, findings; "
        "models.list_models(); "
        "heavy = {'tensorflow', 'jax', 'keras', 'matplotlib', 'requests', 'ipywidgets'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run_python(code) == "[]"


def test_every_subpackage_is_an_attribute_of_the_package():
    import xraylab

    folders = {path.parent.name for path in (ROOT / "xraylab").glob("*/__init__.py")}
    public = folders - {"cli", "io"}
    assert public <= set(dir(xraylab))
    assert all(getattr(xraylab, name).__name__ == f"xraylab.{name}" for name in public)
    with pytest.raises(AttributeError, match="no attribute 'result'"):
        xraylab.result  # noqa: B018


@pytest.mark.parametrize(
    "code",
    [
        "import xraylab.layers as l, keras",
        pytest.param("import xraylab, keras", marks=pytest.mark.long),
    ],
)
def test_importing_xraylab_registers_its_models_with_keras(code):
    names = ["DBCT", "BinaryCrossentropy", "MacroAUC", "AdamW", "RandAugment"]
    code += f"; print([keras.saving.get_registered_object('xraylab>' + n) for n in {names}])"
    found = run_python(code, KERAS_BACKEND="numpy")  # the fastest to start
    assert "None" not in found, found


def test_every_source_cited_in_the_code_is_in_the_bibliography():
    keys = set(re.findall(r"^@\w+\{([\w-]+),", (ROOT / "book/references.bib").read_text(), re.M))
    cited = {
        (key, path.name)
        for path in (ROOT / "xraylab").rglob("*.py")
        for key in re.findall(r"``([a-z]+\d{4}[a-z]*)``", path.read_text())
    } | {(models.spec(name).source, name) for name in models.list_models()}
    assert len(cited) > 5
    assert {pair for pair in cited if pair[0] not in keys} == set()


def test_the_readme_and_its_examples_are_short():
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 120
    for language in ("python", "bash"):
        for example in re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL):
            assert len(example.splitlines()) <= 10


def test_the_words_are_those_of_the_field():
    """An X-ray is an image, not a film; what a reader operates is a slider or a control."""
    replaced = "films?|probes?|twins?|catalogues?|judges?|merit|asked|told|looked|painted|warmth"
    files = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    files += [file for folder in ("xraylab", "tools") for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    found = {
        f"{file.relative_to(ROOT)}: {word}"
        for file in files
        for word in re.findall(rf"\b(?:{replaced})\b", file.read_text(encoding="utf-8"), re.I)
    }
    assert not found


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_to_files_are_valid(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", (ROOT / name).read_text())
    for link in links:
        assert (ROOT / link).exists(), f"{name} links to {link}"
