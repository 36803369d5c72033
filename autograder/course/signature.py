"""A signature as its author writes it, and what it says about inputs: the axes in it are the sizes to draw."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from autograder.course.errors import CourseError

LINE = 120
MANY_SIZES = 6
"""More sizes than this, none a multiple of another, do not fit into the usual range."""
TENSORS = {"Float": "draw.normal({})", "Int": "draw.integers(0, 5, {})", "Bool": "draw.allowed({})"}
OTHERS = {"float": "draw.uniform(0.5, 2.0)", "bool": "True", "torch.Generator": "draw.generator()"}
UNKNOWN = "None"


@dataclass(frozen=True)
class Parameter:
    """One parameter; `default` is "" where there is none."""

    name: str
    annotation: str
    default: str

    def __str__(self) -> str:
        return f"{self.name}: {self.annotation}" + (f" = {self.default}" if self.default else "")

    @property
    def axes(self) -> list[str]:
        """The axes of the tensor that it is, [] where it is none or where sizes cannot be told from them."""
        found = _tensor(self.annotation)
        return found[1] if found and all(re.fullmatch(r"[A-Za-z]\w*|\d+", axis) for axis in found[1]) else []

    @property
    def sizes(self) -> list[str]:
        """The names of the sizes that an input needs: axes by name, or the number that the parameter is."""
        return [self.name] if self.annotation == "int" else [axis for axis in self.axes if not axis.isdigit()]

    @property
    def drawn(self) -> str:
        """An expression that draws an input; `UNKNOWN` where the annotation does not say how."""
        if self.axes and (found := _tensor(self.annotation)):
            return TENSORS[found[0]].format(", ".join(self.axes))
        return self.name if self.annotation == "int" else OTHERS.get(self.annotation, UNKNOWN)


@dataclass(frozen=True)
class Signature:
    """The parameters, without self, and what is returned.

    Example: `Signature.parse("(x: Float[Tensor, 'B D']) -> Float[Tensor, 'B']", "--signature").parameters[0].axes`
    """

    parameters: tuple[Parameter, ...]
    returns: str

    @classmethod
    def parse(cls, text: str, option: str) -> Signature:
        """Read what was given with this option. Raises CourseError where it is no plain, annotated signature."""
        try:
            (definition,) = ast.parse(f"def f{text.strip()}: ...").body
        except (SyntaxError, ValueError):
            definition = ast.Pass()
        if not isinstance(definition, ast.FunctionDef) or not text.strip().startswith("("):
            raise CourseError(
                f"{option} {text!r} is no signature: write what stands after the name, such as"
                " (x: Float[Tensor, 'B D']) -> Float[Tensor, 'B D']"
            )
        asked = definition.args
        if asked.vararg or asked.kwarg or asked.kwonlyargs or asked.posonlyargs:
            raise CourseError(f"{option}: only plain parameters can be checked, no *, ** or /")
        bare = [one.arg for one in asked.args if one.annotation is None and one.arg != "self"]
        if bare or (definition.returns is None and option == "--signature"):
            raise CourseError(f"{option}: {', '.join(bare) or 'what it returns'} has no annotation")
        defaults: list[ast.expr | None] = [*[None] * (len(asked.args) - len(asked.defaults)), *asked.defaults]
        pairs = zip(asked.args, defaults, strict=True)
        found = (Parameter(a.arg, _text(a.annotation), _text(default)) for a, default in pairs if a.arg != "self")
        return cls(tuple(found), _text(definition.returns))

    @property
    def names(self) -> set[str]:
        """The names that its annotations and defaults mention."""
        texts = [self.returns, *(text for one in self.parameters for text in (one.annotation, one.default))]
        return {node.id for text in texts for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}

    def header(self, name: str, *, method: bool = False, indent: int = 0) -> str:
        """The line or lines from def to colon."""
        parameters = ["self"] * method + [str(parameter) for parameter in self.parameters]
        return wrapped(f"def {name}(", parameters, f") -> {self.returns or 'None'}:", indent=indent)

    def bare_header(self, name: str, *, method: bool = False) -> str:
        """The same without annotations."""
        plain = [f"{one.name}={one.default}" if one.default else one.name for one in self.parameters]
        return wrapped(f"def {name}(", ["self"] * method + plain, "):")


def sizes_line(parameters: Iterable[Parameter]) -> str:
    """The line of a check that draws all sizes, "" where there are none."""
    names = list(dict.fromkeys(chain.from_iterable(parameter.sizes for parameter in parameters)))
    if not names:
        return ""
    more = ", high=29" if len(names) > MANY_SIZES else ""
    return f"{', '.join(names) if len(names) > 1 else f'({names[0]},)'} = draw.sizes({len(names)}{more})"


def wrapped(head: str, items: Sequence[str], tail: str, *, indent: int = 0, literal: bool = False) -> str:
    """The items between head and tail, broken into lines as ruff would where they do not fit into one.

    literal: a tuple, whose items then stand on a line each.
    """
    inside = ", ".join(items)
    if indent + len(head + inside + tail) <= LINE:
        return f"{head}{inside}{tail}"
    if indent + 4 + len(inside) <= LINE and not literal:
        return f"{head}\n    {inside}\n{tail}"
    return "".join([f"{head}\n", *(f"    {item},\n" for item in items), tail])


def _tensor(annotation: str) -> tuple[str, list[str]] | None:
    """Kind and axes of the first tensor in an annotation: ("Float", ["B", "D"])."""
    return next(_tensors(annotation), None)


def _tensors(annotation: str) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(ast.parse(annotation)):
        match node:
            case ast.Subscript(value=ast.Name(id=kind), slice=ast.Tuple(elts=[_, ast.Constant(value=str(axes))])):
                if kind in TENSORS:
                    yield kind, axes.split()


def _text(node: ast.expr | None) -> str:
    """An expression as the course writes it, with double quotes."""
    return "" if node is None else ast.unparse(node).replace("'", '"')
