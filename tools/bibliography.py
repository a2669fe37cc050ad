"""Citations of ``references.bib`` in plain text."""

from pathlib import Path


class Bibliography:
    """A BibTeX file; it is read at the first citation."""

    def __init__(self, path: Path):
        self.path = path
        self._entries = None

    def _load(self):
        from pybtex.database import parse_file

        if self._entries is None:
            self._entries = parse_file(str(self.path)).entries if self.path.exists() else {}
        return self._entries

    def cite(self, key: str) -> tuple[str, str]:
        """Return the authors and the year of an entry.

        Raises:
            KeyError: if there is no such entry.
        """
        from pybtex.richtext import Text

        entry = self._load()[key]
        names = [
            str(Text.from_latex(" ".join([*person.prelast_names, *person.last_names])))
            for person in entry.persons.get("author", [])
        ]
        authors = names[0] if names else entry.fields["title"]
        if len(names) == 2:
            authors = f"{names[0]} and {names[1]}"
        elif len(names) > 2:
            authors = f"{names[0]} et al."
        return authors, entry.fields["year"]
