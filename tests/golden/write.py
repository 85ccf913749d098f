"""The pinned features: name, unit and meaning of each that the catalogue can give.

``make golden`` writes the file again; read the difference before you commit it, since a changed name or
meaning is a changed contract with every model that was trained on it.
"""

from pathlib import Path

from features.catalogue import features_for
from features.catalogue_page import everything

FILE = Path(__file__).with_name("features.txt")


def text() -> str:
    """One line for each feature, in the order of the catalogue."""
    return "".join(f"{f.name} | {f.unit} | {f.meaning}\n" for f in features_for(everything()))


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
