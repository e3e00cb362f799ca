"""The parser: from text to a tree, without a look at what names stand for."""

from __future__ import annotations

import math
import re

from sim.common.text import nearest
from sim.expressions.names import without_table
from sim.expressions.tree import (
    CONNECTIVES,
    FUNCTIONS,
    RELATIONS,
    ExpressionError,
    Operation,
    Reference,
    Statistic,
    Tree,
    depth_of,
    is_event,
    is_number,
    is_statistic,
)

MOST_CHARACTERS = 4_000
MOST_NESTED = 30  # parentheses inside one another
MOST_LEVELS = 200  # of a tree
STATISTICS = ("mean", "sd", "median", "p5", "p50", "p95", "cvar5", "P")
TOLERANCES = ("+-", "+/-", "±")
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
    r"|(?P<level>(?:p|cvar)[0-9]+(?:\.[0-9]*)?)(?=\s*\()"
    r"|(?P<name>[^\W\d]\w*(?:\.[^\W\d]\w*)?)"
    r'(?:\s*\[(?P<labels>(?:"[^"]*"|[^\[\]"])*)\])?(?:\s*@\s*(?P<quarter>\w+))?'
    r"|(?P<sign>\+-|\+/-|±|>=|<=|[-+*/()<>=,]))"
)
_LABEL = re.compile(r'\s*(?:"([^"]*)"|([^",]*))\s*(?:,|$)')
_SYNONYMS = {"std": "sd", "stdev": "sd", "average": "mean", "quantile": "p50"}


class Parser:
    """Reads a tree from the tokens of a text, from loose to tight binding."""

    def __init__(self, text: str) -> None:
        if len(text) > MOST_CHARACTERS:
            raise ExpressionError(f"expected at most {MOST_CHARACTERS:,} characters")
        self.text = text
        self.position = self.nested = 0
        self.token = self._next()

    def end(self) -> None:
        """Refuse what is left of the text."""
        if self.token is None:
            return
        shown = self.shown()
        if shown in TOLERANCES:
            raise ExpressionError(
                f"unexpected '{shown}' in {self.text!r}: a standard error has no place here"
            )
        if shown in RELATIONS:
            raise ExpressionError(
                f"unexpected '{shown}' in {self.text!r}: two relations are joined by 'and'"
            )
        raise ExpressionError(f"unexpected '{shown}' in {self.text!r}")

    def _next(self) -> re.Match[str] | None:
        """The next token; None at the end."""
        if not self.text[self.position :].strip():
            return None
        match = _TOKEN.match(self.text, self.position)
        if match is None:
            rest = self.text[self.position :].strip()
            raise ExpressionError(f"unexpected '{rest}' in {self.text!r}")
        self.position = match.end()
        return match

    def shown(self) -> str:
        """The text of the token."""
        return self.token[0].strip() if self.token is not None else "the end"

    def accept(self, *words: str) -> str:
        """Take the token if it is one of these; "" otherwise."""
        word = self.shown() if self.token is not None else ""
        if word not in words:
            return ""
        self.token = self._next()
        return word

    def _expect(self, word: str) -> None:
        if not self.accept(word):
            raise ExpressionError(f"expected '{word}', got {self.shown()} in {self.text!r}")

    def alternatives(self) -> Tree:
        """Events joined by `or`, or whatever stands alone."""
        tree = self._conjunction()
        while self.accept("or"):
            tree = self._of_events("or", tree, self._conjunction())
        return tree

    def _conjunction(self) -> Tree:
        tree = self._negation()
        while self.accept("and"):
            tree = self._of_events("and", tree, self._negation())
        return tree

    def _negation(self) -> Tree:
        count = 0
        while self.accept("not"):
            count += 1
        tree = self._relation()
        for _ in range(count):
            tree = self._of_events("not", tree)
        return tree

    def _relation(self) -> Tree:
        tree = self.sum()
        if relation := self.accept(*RELATIONS):
            tree = self._of_values(relation, tree, self.sum())
        return tree

    def sum(self) -> Tree:
        """Sums and differences of products."""
        tree = self._product()
        while operator := self.accept("+", "-"):
            tree = self._of_values(operator, tree, self._product())
        return tree

    def _product(self) -> Tree:
        tree = self._factor()
        while operator := self.accept("*", "/"):
            tree = self._of_values(operator, tree, self._factor())
        return tree

    def _factor(self) -> Tree:
        """A number, a name, a function, a statistic, what is in parentheses, or the negative."""
        count = 0
        while self.accept("-"):
            count += 1
        tree = self._atom()
        for _ in range(count):
            tree = self._negative(tree)
        return tree

    def _negative(self, tree: Tree) -> Tree:
        return -tree if isinstance(tree, float) else self._of_values("negative", tree)

    def _atom(self) -> Tree:
        if self.accept("("):
            return self._in_parentheses()
        token = self.token
        if token is None or token["sign"] or token["name"] in CONNECTIVES:
            raise ExpressionError(f"expected a value, got {self.shown()} in {self.text!r}")
        if token["number"]:
            return self.number()
        self.token = self._next()
        if token["level"]:
            return self._statistic(token["level"])
        if token["labels"] is None and token["quarter"] is None and self.accept("("):
            return self._call(token["name"])
        return _reference(token)

    def _in_parentheses(self) -> Tree:
        """What stands in parentheses, of which the first was read."""
        self._enter()
        tree = self.alternatives()
        self._leave()
        return tree

    def _enter(self) -> None:
        self.nested += 1
        if self.nested > MOST_NESTED:
            raise ExpressionError(f"expected at most {MOST_NESTED} parentheses in one another")

    def _leave(self) -> None:
        self._expect(")")
        self.nested -= 1

    def number(self) -> float:
        """A number, perhaps negative."""
        sign = -1.0 if self.accept("-") else 1.0
        token = self.token
        if token is None or not token["number"]:
            raise ExpressionError(f"expected a number, got {self.shown()} in {self.text!r}")
        value = float(token["number"])
        if not math.isfinite(value):
            raise ExpressionError(f"expected a finite number, got {token['number']}")
        self.token = self._next()
        return sign * value

    def _call(self, name: str) -> Tree:
        """A function or statistic, of which the first parenthesis was read."""
        if name in ("mean", "sd", "P", "median"):
            return self._of_draws(name, None)
        if name not in FUNCTIONS:
            raise ExpressionError(f"unknown statistic or function '{name}'{_hint(name)}")
        self._enter()
        operands = [self.sum()]
        while self.accept(","):
            operands.append(self.sum())
        self._leave()
        fewest = FUNCTIONS[name]
        if len(operands) < fewest or (fewest == 1 and len(operands) > 1):
            count = "one value" if fewest == 1 else "two values or more"
            raise ExpressionError(f"'{name}' takes {count}, got {len(operands)}")
        return self._of_values(name, *operands)

    def _statistic(self, word: str) -> Tree:
        """A quantile or tail mean, of which the word with its level was read."""
        kind = "p" if word.startswith("p") else "cvar"
        percent = float(word.removeprefix(kind))
        if not 0 < percent < 100:
            raise ExpressionError(f"expected a level between 0 and 100, got {word}")
        self._expect("(")
        return self._of_draws(kind, percent)

    def _of_draws(self, word: str, percent: float | None) -> Statistic:
        """The statistic of what is in parentheses, of which the first was read."""
        shown = word if percent is None else f"{word}{percent:g}"
        if self.accept(")"):
            expected = "P(EVENT)" if word == "P" else f"{shown}(VALUE)"
            raise ExpressionError(f"expected {expected}, got nothing in {self.text!r}")
        tree = self._in_parentheses()
        if is_statistic(tree):
            raise ExpressionError(f"'{shown}' of a statistic: one number has no {shown}")
        if word == "P" and not is_event(tree):
            raise ExpressionError(
                f"P takes an event, and '{tree}' is a value: expected P({tree} >= number)"
            )
        if word != "P" and is_event(tree):
            if isinstance(tree, Reference):
                raise ExpressionError(f"'{tree.name}' is itself a probability; say P({tree})")
            raise ExpressionError(
                f"'{shown}' takes a value, and '{tree}' is an event: P({tree}) is its probability"
            )
        if word == "median":
            return Statistic("quantile", tree, 50.0)
        return Statistic("quantile" if word == "p" else word, tree, percent)

    def _of_events(self, operator: str, *operands: Tree) -> Tree:
        if not all(map(is_event, operands)):
            raise ExpressionError(f"'{operator}' joins events such as gw[openai]@2027Q4 > 10")
        return self._checked(Operation(operator, operands))

    def _of_values(self, operator: str, *operands: Tree) -> Tree:
        shown = {"negative": "-"}.get(operator, operator)
        if any(map(is_event, operands)):
            raise ExpressionError(f"'{shown}' takes values, got an event in {self.text!r}")
        if any(map(is_statistic, operands)):
            if operator in (*RELATIONS, "min", "max", "log", "exp"):
                raise ExpressionError(
                    f"'{shown}' takes values, which differ by draw, got a statistic"
                    f" in {self.text!r}"
                )
            if not all(is_statistic(of) or is_number(of) for of in operands):
                raise ExpressionError(
                    f"'{shown}' joins a statistic, one number, with a value, one a draw,"
                    f" in {self.text!r}"
                )
        return self._checked(Operation(operator, operands))

    def _checked(self, tree: Operation) -> Operation:
        if depth_of(tree) > MOST_LEVELS:
            raise ExpressionError(f"expected at most {MOST_LEVELS} operations in one another")
        return tree


def split_reference(text: str) -> tuple[str, tuple[str, ...], str | None] | None:
    """Name, labels and quarter of `output[label, ...]@quarter`, whatever its names.

    Returns:
        The name, the labels (() without brackets) and the quarter (None without one); None in place
        of all three where `text` has another form.
    """
    try:
        parser = Parser(text)
        tree = parser.alternatives()
        parser.end()
    except ExpressionError:
        return None
    if not isinstance(tree, Reference):
        return None
    return tree.name, tree.labels, tree.quarter


def _reference(token: re.Match[str]) -> Reference:
    """The reference of a token."""
    return Reference(without_table(token["name"]), _labels(token["labels"]), token["quarter"])


def _labels(text: str | None) -> tuple[str, ...]:
    """The labels in brackets, with single blanks inside; they may stand in quotes."""
    if text is None:
        return ()
    labels, position = [], 0
    while True:
        match = _LABEL.match(text, position)
        if match is None:
            raise ExpressionError(f"expected labels, got [{text}]")
        label = " ".join((match[1] if match[1] is not None else match[2]).split())
        if not label:
            raise ExpressionError(f"expected a label, got [{text}]")
        labels.append(label)
        position = match.end()
        if not match[0].endswith(","):
            return tuple(labels)


def _hint(word: str) -> str:
    """Text that suggests a known statistic or function in place of an unknown one."""
    if word in _SYNONYMS:
        return f"; did you mean '{_SYNONYMS[word]}'?"
    if re.fullmatch(r"prob\w*|Pr|p", word):
        return "; did you mean 'P(EVENT)'?"
    return nearest(word, [*STATISTICS, *FUNCTIONS])
