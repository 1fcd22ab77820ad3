"""A Dockerfile as far as a machine without Docker can follow it: its instructions, and its steps done in a folder."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One instruction; ``stage`` counts from 0."""

    stage: int
    name: str
    text: str


def instructions(text: str) -> tuple[Instruction, ...]:
    """The instructions of a Dockerfile, continued lines joined, comments left out."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    stage, found = -1, []
    for line in filter(str.strip, joined.splitlines()):
        name, _, rest = line.partition(" ")
        stage += name == "FROM"
        found.append(Instruction(stage=max(stage, 0), name=name, text=rest.strip()))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Does the steps below ``root`` instead of "/", with the repository as the build's context.

    What only a container has is left out: base images, users.
    """

    root: Path
    context: Path
    arguments: Mapping[str, str]
    #: The folders of the image that its steps name.
    folders: tuple[str, ...] = ("/opt", "/src", "/app", "/var/lib", "/etc/ml-connector")

    def inside(self, text: str) -> str:
        """``text`` with the image's absolute paths moved below ``root``."""
        known = "|".join(map(re.escape, self.folders))
        return re.sub(rf"(?<![\w/.])({known})(?=[/\s:]|$)", rf"{self.root}\1", text)

    def follow(self, steps: tuple[Instruction, ...]) -> dict[str, str]:
        """Do the steps in order; answers the environment that the image has at its end."""
        folder, environment = self.root, dict(self.arguments)
        stage = 0
        for step in steps:
            if step.stage != stage:
                stage, environment = step.stage, dict(self.arguments)
            if step.name == "WORKDIR":
                folder = Path(self.inside(step.text))
                folder.mkdir(parents=True, exist_ok=True)
            elif step.name == "ENV":
                for pair in step.text.split():
                    name, _, value = pair.partition("=")
                    environment[name] = self.inside(value)
            elif step.name == "COPY" and "--from" not in step.text:
                *sources, target = self.inside(step.text).split()
                self._copy(sources, folder / target, many=target.endswith("/") or target == ".")
            elif step.name == "RUN" and not step.text.startswith("useradd"):
                self._run(step.text, folder, environment)
        return environment

    def _copy(self, sources: list[str], target: Path, *, many: bool) -> None:
        for source in sources:
            here = self.context / source
            place = target / here.name if many else target
            place.parent.mkdir(parents=True, exist_ok=True)
            if here.is_dir():
                shutil.copytree(here, place, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(here, place)

    def _run(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", self.inside(command)],
            cwd=folder,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=280,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
