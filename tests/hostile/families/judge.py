"""The judge is fooled: forged answers, patched libraries, lying objects, messages of every wrong form."""

from tests.engine.notebooks import FIRST, SECOND
from tests.hostile.case import ONE, WRONG, Case, cheating

GARBAGE = """
kernel = get_ipython().kernel
def forged(stream, identity, parent, data=%s):
    kernel.session.send(stream, "perform_reply", %s, parent, ident=identity, buffers=%s)
kernel.perform_request = forged
kernel.shell_handlers["perform_request"] = forged
"""


def reply(name: str, buffers: str, content: str = "{}", **more: object) -> Case:
    """A kernel that answers every request with these buffers."""
    return cheating(name, GARBAGE % ("b''", content, buffers), **more)


CASES = [
    cheating(
        "comparisons are patched to agree",
        """
import builtins, math, torch
yes = lambda *a, **k: True
torch.allclose = torch.equal = torch.Tensor.allclose = torch.Tensor.equal = torch.Tensor.__eq__ = yes
torch.testing.assert_close = lambda *a, **k: None
math.isclose = yes
import autograder.checks.perform as perform, autograder.checks.request as request
perform._changed = lambda *a: ()
import unittest; unittest.TestCase.assertEqual = yes
""",
    ),
    cheating(
        "assert is taken out, errors are hidden",
        """
import ast, sys
class NoAssert(ast.NodeTransformer):
    def visit_Assert(self, node): return ast.copy_location(ast.Pass(), node)
get_ipython().ast_transformers.append(NoAssert())
get_ipython().showtraceback = lambda *a, **k: None
sys.excepthook = lambda *a: None
""",
    ),
    Case(
        "results that are equal to everything",
        first="""
import torch
class Equal(torch.Tensor):
    __eq__ = __ne__ = __lt__ = lambda *a: True
    @classmethod
    def __torch_function__(cls, *a, **k): return True
def soft_lookup(query, keys, values, temperature): return values.mean(-2).as_subclass(Equal)
""",
        points=ONE,
    ),
    Case(
        "an object that shows another shape each time",
        first="""
class Shy:
    def __getattr__(self, name): return self
    def __call__(self, *a, **k): return self
    def __iter__(self): return iter([self])
    def __eq__(self, other): return True
def soft_lookup(*arguments): return Shy()
""",
        points=ONE,
    ),
    cheating(
        "the kernel answers with what it was asked",
        """
import autograder.checks.perform as perform, autograder.engine.kernel_side as side
from autograder.checks.request import Answer
side.perform = perform.perform = lambda request, namespace: Answer(request.arguments[0])
""",
    ),
    cheating(
        "early replies are forged for requests to come",
        """
import threading, time
kernel = get_ipython().kernel
def flood():
    for _ in range(300):
        for kind in ("execute_reply", "perform_reply", "keep_reply"):
            kernel.session.send(kernel.iopub_socket, kind, {"status": "ok", "defined": True, "points": 9})
        time.sleep(0.01)
threading.Thread(target=flood, daemon=True).start()
""",
        seconds=16,
    ),
    reply("an answer of no bytes", "[b'']"),
    reply("no answer at all", "[]"),
    reply("many answers", "[b'x'] * 9999"),
    reply("an answer of noise", "[__import__('os').urandom(4096)]"),
    reply("a header that claims to be endless", "[b'\\xff' * 8 + b'{' * 9000]"),
    reply("JSON that is nested a hundred thousand deep", "[(100_000).to_bytes(8, 'little') + b'[' * 100_000]"),
    reply("a pickle that would run", "[b'cos\\nsystem\\n(S\"touch /tmp/@MARK@\"\\ntR.']"),
    reply("an answer of 300 MB", "[bytes(300 * 2**20)]", seconds=20),
    reply("content that is no mapping", "[b'']", content="'x'"),
    reply("an answer in a form that only the grader's side makes", "[b'\\x02\\0\\0\\0\\0\\0\\0\\0{}']"),
    Case(
        "a tensor that is small here and huge there",
        first="def soft_lookup(*a):\n    import torch; return torch.zeros(1, dtype=torch.float64).expand(10**10)",
        points=ONE,
    ),
    Case(
        "a value that contains itself",
        first="def soft_lookup(*a):\n    x = []; x.append(x); return x",
        points=ONE,
    ),
    Case(
        "an integer of a million digits, a name of a million letters",
        first="def soft_lookup(*a): return {'x' * 10**6: 10**1_000_000}",
        points=ONE,
    ),
    Case(
        "an error whose text raises errors and escapes",
        first="class E(Exception):\n    def __str__(self): raise E()\ndef soft_lookup(*a): raise E()",
        points=ONE,
    ),
    cheating(
        "seeds and clocks are tampered with",
        """
import random, time, numpy, torch
torch.manual_seed = torch.Generator.manual_seed = numpy.random.seed = random.seed = lambda *a: None
torch.randn = torch.rand = lambda *a, **k: torch.zeros(1)
time.time = time.monotonic = time.perf_counter = lambda: 0.0
""",
    ),
    Case(
        "modules of the student's shadow the libraries",
        """
import os, sys
for name in ("torch", "safetensors", "json", "numpy", "autograder", "zmq", "struct"):
    open(name + ".py", "w").write("raise SystemError('shadow')")
sys.path.insert(0, os.getcwd())
""",
    ),
    cheating(
        "Python itself is changed",
        """
import builtins, json, struct, sys
builtins.len = lambda x: 1
builtins.isinstance = lambda *a: True
json.loads = lambda *a, **k: {"points": 9}
struct.unpack = lambda *a: (0,)
""",
        seconds=20,
    ),
    Case(
        "files with forged results",
        """
for name in ("result.json", "verdict.json", "feedback.html", "results.xml", "grade.txt"):
    open(name, "w").write('{"points": 9, "passed": true}')
print('{"points": 9}')
9.0
""",
        WRONG[FIRST],
        WRONG[SECOND],
        (0.0, 0.0),
    ),
]
