"""What is printed, shown and raised: floods of it, and text that wants to be more than text."""

from tests.hostile.case import ONE, Case

SCRIPTS = r"<script>alert(1)</script><svg onload=alert(1)><img src=http://127.0.0.1:@PORT@/x>\x1b]0;owned\x07\x1b[2J[x](javascript:x)"

CASES = [
    Case(
        "a hundred thousand messages",
        "from IPython.display import display\nfor i in range(100_000): display(i)",
        seconds=20,
    ),
    Case("an endless print", "while True: print('x' * 10_000)", seconds=20),
    Case("one line of 200 MB", "print('x' * 200 * 2**20)", seconds=20),
    Case("an error with 200 MB of text", "raise ValueError('x' * 200 * 2**20)", seconds=20),
    Case(
        "HTML, scripts, terminal codes and beacons",
        f'''
from IPython.display import HTML, JSON, SVG, Javascript, Latex, Markdown, display
text = """{SCRIPTS}"""
for kind in (HTML, Javascript, Latex, Markdown): display(kind(text))
display({{"text/html": text, "application/javascript": text, "image/svg+xml": text, "text/plain": text}}, raw=True)
print(text)
''',
        first=f'def soft_lookup(*a): raise RuntimeError("""{SCRIPTS}""")',
        points=ONE,
    ),
    Case(
        "an error whose type is named like markup",
        first=f"def soft_lookup(*a): raise type({SCRIPTS[:25]!r}, (Exception,), {{}})('x')",
        points=ONE,
    ),
    Case("text that is no Unicode", "print('\\udcff\\ud800'); raise ValueError('\\udcff')"),
    Case("the streams are closed", "import os, sys; sys.stdout.close(); os.close(1); os.close(2)"),
    Case("the kernel's own sockets are closed", first="import os; os.closerange(3, 256)", points=ONE, seconds=16),
    Case("input is asked for", "input('name? ')"),
    Case(
        "a display that refreshes for ever",
        "from IPython.display import *\nfor i in range(9999): clear_output(); update_display(i, display_id='x')",
        seconds=20,
    ),
]
