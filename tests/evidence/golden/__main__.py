"""Write vectors.json anew; a difference to the committed file means that a hashed or signed format
has changed.
"""

from tests.evidence.golden.vectors import PATH, render

PATH.write_text(render(), encoding="utf-8")
