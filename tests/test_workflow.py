"""The workflow, the forms and the hooks are YAML of their kinds, and agree with the rest."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
GITHUB = ROOT / ".github"

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def pythons() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = re.findall(r"Python :: (3\.\d+)$", "\n".join(project["classifiers"]), re.MULTILINE)
    assert project["requires-python"] == f">={found[0]}"
    return set(found)


@pytest.fixture(scope="module")
def workflow() -> dict[Any, Any]:
    document: dict[Any, Any] = load(GITHUB / "workflows" / "ci.yml")
    return document


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_each_python_runs_the_suite(workflow: dict[Any, Any]) -> None:
    jobs = workflow["jobs"]
    (ours,) = (
        step["with"]["python-version"]
        for step in jobs["all"]["steps"]
        if "setup-python" in step.get("uses", "")
    )
    assert ".ci/run" in commands(jobs["all"])
    assert {ours, *jobs["python"]["strategy"]["matrix"]["python"]} == pythons()


def test_documents_name_the_same_pythons() -> None:
    for page in (ROOT / "SECURITY.md", ROOT / "docs" / "discussion" / "versions.md"):
        text = page.read_text("utf-8")
        assert set(re.findall(r"(3\.\d+) until October", text.replace("\n  ", " "))) == pythons(), (
            page
        )


def test_jobs_are_bounded_and_actions_have_versions(workflow: dict[Any, Any]) -> None:
    assert workflow["permissions"] == {"contents": "read"}
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 90, name
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step), (name, step)
            assert "uses" not in step or re.fullmatch(r"actions/[\w-]+@v\d+", step["uses"]), step


def test_make_targets_exist(workflow: dict[Any, Any]) -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = set()
    for job in workflow["jobs"].values():
        called |= set(re.findall(r"\bmake ([\w-]+)", commands(job)))
    assert {"test", "test-portable", "release-check", "docs"} <= called <= targets


def test_servers_are_where_tests_look(workflow: dict[Any, Any]) -> None:
    """Redis, PostgreSQL, MariaDB as services; NATS by a step."""
    for name in ("all", "python", "portable"):
        job = workflow["jobs"][name]
        ports = {port for service in job["services"].values() for port in service["ports"]}
        assert ports == {"6379:6379", "5432:5432", "3306:3306"}
        assert "nats-server --jetstream" in commands(job)


KINDS = {"markdown", "input", "textarea", "dropdown", "checkboxes"}


@pytest.mark.parametrize("form", sorted((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")), ids=str)
def test_issue_forms(form: Path) -> None:
    document = load(form)
    if form.name == "config.yml":
        assert set(document) <= {"blank_issues_enabled", "contact_links"}
        return
    assert set(document) == {"name", "description", "labels", "body"}
    assert all(isinstance(document[name], str) for name in ("name", "description"))
    identifiers = [part["id"] for part in document["body"] if part["type"] != "markdown"]
    assert identifiers and len(set(identifiers)) == len(identifiers)
    for part in document["body"]:
        assert part["type"] in KINDS
        assert set(part) <= {"type", "id", "attributes", "validations"}
        assert ("value" if part["type"] == "markdown" else "label") in part["attributes"]


def test_hooks_are_what_make_check_runs() -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ncheck:")[2].partition("\n\n")[0]
    (repository,) = load(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    hooks = {hook["id"]: hook for hook in repository["hooks"]}
    assert {"ruff", "mypy"} <= set(hooks)
    for hook in hooks.values():
        assert hook["language"] == "system" and hook["name"]
        python, _, module, *arguments = shlex.split(hook["entry"])
        assert python == ".venv/bin/python"
        assert module == "pytest" or f"$(RUN) -m {module}" in recipe
        assert all((ROOT / name).exists() for name in arguments if name.endswith(".py"))
