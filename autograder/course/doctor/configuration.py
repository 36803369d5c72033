"""nbgrader's configuration files: what they set without effect, and where two of them disagree.

nbgrader merges every `nbgrader_config` and `jupyter_config` of Jupyter's configuration paths, the course's last, warns
of a file that is missing or of a name that it does not know, and goes on with its defaults. `autograder` reads the
course's file only: whatever another file sets makes nbgrader's own commands do something else than ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_path
from nbgrader.apps import NbGraderApp
from nbgrader.exchange import default
from traitlets import TraitError, TraitType
from traitlets.config import Configurable
from traitlets.config.loader import Config, LazyConfigValue

from autograder.course.course import CONFIGURATION, load
from autograder.course.doctor.finding import Finding
from autograder.course.errors import CourseError, suggestion
from autograder.course.seam import Engine

Traits = dict[str, dict[str, "TraitType[Any, Any]"]]
BASES = ("jupyter_config", "nbgrader_config")
SUBJECT = "configuration"


def examine(directory: Path, given: Path | None) -> Iterator[Finding]:
    """All that is looked at here; one finding where there is nothing to say."""
    try:
        found = [*_files(directory, given)]
    except CourseError as error:
        found = [Finding(SUBJECT, "problem", str(error), "mend the file; nbgrader would go on without it")]
    yield from found or [Finding(SUBJECT, "ok", f"{directory / CONFIGURATION}, and no other file says otherwise")]


def effective(directory: Path) -> Config:
    """What nbgrader's own commands go by in this directory. Raises CourseError where a file does not load."""
    merged = Config()
    for path in [*reversed(_others(directory)), directory / CONFIGURATION]:
        merged.merge(load(path))
    return merged


def _files(directory: Path, given: Path | None) -> Iterator[Finding]:
    own = directory / CONFIGURATION
    if not own.is_file():
        yield from _missing(directory)
        return
    config, traits = load(own), _traits()
    yield from _names(own, config, traits)
    others = _others(directory)
    if given is not None and given.resolve() != own.resolve():
        if not given.is_file() or given.suffix not in (".py", ".json"):
            found = f"{given} is no configuration file: nbgrader would only warn, and grade with its defaults"
            yield Finding(SUBJECT, "problem", found, f"give --config a file that exists and ends in .py, such as {own}")
        else:
            yield from _names(given, load(given), traits)
            others.append(given)
    for path in others:
        yield from _disagreements(own, config, path, load(path), traits)


def _missing(directory: Path) -> Iterator[Finding]:
    """There is none where it belongs; perhaps it is near."""
    around = [*directory.resolve().parents, *sorted(path for path in directory.glob("*") if path.is_dir())]
    near = next((path for path in around if (path / CONFIGURATION).is_file()), None)
    found = f"{directory / CONFIGURATION} does not exist: nbgrader would go by its defaults"
    if near:
        remedy = f"there is one in {near}: run in that directory, or with --course {near}"
    else:
        remedy = "give the course directory with --course, or write one"
    yield Finding(SUBJECT, "problem", found, remedy)


def _others(directory: Path) -> list[Path]:
    """The other files that nbgrader merges, those that win first."""
    places = [directory, *map(Path, jupyter_config_path())]
    found = (place / f"{base}{ending}" for place in places for base in reversed(BASES) for ending in (".json", ".py"))
    own = directory / CONFIGURATION
    return [path for path in dict.fromkeys(found) if path.is_file() and path.resolve() != own.resolve()]


def _traits() -> Traits:
    """What can be set, by the names of nbgrader's classes; a class also takes what only its heirs know."""
    traits: Traits = {}
    exchange = vars(default).values()  # which nbgrader's own list leaves out
    classes = [*NbGraderApp().all_configurable_classes(), NbGraderApp, Engine]
    classes += [one for one in exchange if isinstance(one, type) and issubclass(one, Configurable)]
    for known in classes:
        for section in known.section_names():
            traits.setdefault(section, {}).update(known.class_traits(config=True))
    return traits


def _names(path: Path, config: Config, traits: Traits) -> Iterator[Finding]:
    """What has no effect: sections and names that do not exist, values of the wrong type."""
    for section, values in config.items():
        if section not in traits:
            near = get_close_matches(section, traits, n=1)
            found = f"{path} sets {section}.{', '.join(values)}, and nbgrader has no {section}"
            remedy = f"did you mean {near[0]!r}?" if near else "take it out, unless something else reads it"
            yield Finding(SUBJECT, "problem" if near else "note", found, remedy)
            continue
        for name, value in values.items():
            if name not in traits[section]:
                homes = [other for other, known in traits.items() if name in known and other in config]
                remedy = f"{homes[0]}.{name} exists" if homes else suggestion(name, list(traits[section]))
                yield Finding(SUBJECT, "problem", f"{path} sets {section}.{name}, which does not exist", remedy)
            elif wrong := _wrong(traits[section][name], value):
                yield Finding(SUBJECT, "problem", f"{path} sets {section}.{name} to {value!r}", wrong)


def _wrong(trait: TraitType[Any, Any], value: Any) -> str:
    """Why a trait does not take a value, if it does not."""
    validate = getattr(trait, "validate", None)
    if validate is None or isinstance(value, LazyConfigValue):
        return ""
    try:
        validate(None, value)  # the object would only be in the message
    except TraitError as error:
        return str(error)
    return ""


def _disagreements(own: Path, config: Config, path: Path, other: Config, traits: Traits) -> Iterator[Finding]:
    """What another file sets, and the course's does not, or not so. The exchange may be each machine's own."""
    for section, values in other.items():
        for name, value in values.items() if section in traits else ():
            set_here = name in config.get(section, {})
            if (set_here and config[section][name] == value) or (not set_here and section.startswith("Exchange")):
                continue
            here = f"{own.name} to {config[section][name]!r}" if set_here else f"{own.name} leaves it alone"
            found = f"{path} sets {section}.{name} to {value!r}, the course's {here}"
            remedy = f"write it into {own}, which is all that autograder reads, or take it out of {path}"
            yield Finding(SUBJECT, "problem", found, remedy)
