"""Locations of keys, as a tree: what lies below a key is found without a search."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sim.common.errors import Location

Key = tuple[str, ...]


class Locations:
    """The location of every key of a document; a key need not have one of its own."""

    __slots__ = ("children", "own")

    def __init__(self, pairs: Iterable[tuple[Key, Location]] = ()) -> None:
        self.own: Location | None = None
        self.children: dict[str, Locations] = {}
        for key, location in pairs:
            self[key] = location

    def __setitem__(self, key: Key, location: Location) -> None:
        node = self
        for part in key:
            child = node.children.get(part)
            if child is None:
                child = node.children[part] = Locations()
            node = child
        node.own = location

    def below(self, key: Key) -> Locations | None:
        """The locations of a key and of those below it; None if there are none."""
        node = self
        for part in key:
            child = node.children.get(part)
            if child is None:
                return None
            node = child
        return node

    def get(self, key: Key) -> Location | None:
        """The location of a key itself."""
        node = self.below(key)
        return node.own if node is not None else None

    def innermost(self, key: Key) -> Location | None:
        """The location of a key, or of the innermost table around it."""
        node, found = self, self.own
        for part in key:
            child = node.children.get(part)
            if child is None:
                break
            node, found = child, child.own or found
        return found

    def __iter__(self) -> Iterator[Location]:
        """All locations, those of a table before those of its keys."""
        if self.own is not None:
            yield self.own
        for child in self.children.values():
            yield from child

    def discard(self, key: Key) -> None:
        """Forget the location of a key, and none below it."""
        if (node := self.below(key)) is not None:
            node.own = None

    def drop(self, key: Key) -> Locations | None:
        """Take out the locations of a key and of all keys below it."""
        above = self.below(key[:-1])
        return above.children.pop(key[-1], None) if above is not None else None

    def copy(self) -> Locations:
        """The same locations, which can be changed alone."""
        copied = Locations()
        copied.add(self, replace=True)
        return copied

    def add(self, others: Locations, replace: bool) -> None:
        """Copy other locations; without `replace` those that are there stay."""
        if others.own is not None and (replace or self.own is None):
            self.own = others.own
        for part, child in others.children.items():
            self.children.setdefault(part, Locations()).add(child, replace)

    def add_below(self, key: Key, others: Locations, replace: bool = True) -> None:
        """Copy other locations below a key, as `add` does."""
        node = self
        for part in key:
            node = node.children.setdefault(part, Locations())
        node.add(others, replace)
