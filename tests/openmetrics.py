"""A strict reader of OpenMetrics 1.0 and of Prometheus' text format 0.0.4, of what gauges need; from their descriptions.

read(text, openmetrics) -> {(name, ((label, value), ...)): value}; ValueError names the line.
"""
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[n"\\])*)"')
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
PLAIN = {"\\n": "\n", '\\"': '"', "\\\\": "\\"}


def labels_of(text):
    """The labels between braces, and what follows them."""
    labels, at = [], 0
    while not text.startswith("}", at):
        if labels:
            if text[at:at + 1] != ",":
                raise ValueError("wanted is a comma between labels")
            at += 1
        label = LABEL.match(text, at)
        if not label:
            raise ValueError("not a label")
        labels.append((label[1], re.sub(r"\\.", lambda found: PLAIN[found[0]], label[2])))
        at = label.end()
    if len({name for name, _ in labels}) != len(labels):
        raise ValueError("a label twice")
    return tuple(labels), text[at + 1:]


def sample(line):
    name = NAME.match(line)
    if not name:
        raise ValueError("no name")
    labels, rest = (), line[name.end():]
    if rest.startswith("{"):
        labels, rest = labels_of(rest[1:])
    if not rest.startswith(" ") or not NUMBER.fullmatch(rest[1:]):
        raise ValueError("wanted is one space, a number and no timestamp")
    return (name[0], labels), float(rest[1:])


class Families:
    """Metadata stand before the samples, once each; a family's lines together."""

    def __init__(self, openmetrics):
        self.openmetrics, self.current, self.said, self.seen, self.samples = openmetrics, None, {}, set(), {}

    def enter(self, name):
        if name == self.current:
            return
        if name in self.seen:
            raise ValueError(f"family {name} is torn apart")
        self.seen.add(name)
        self.current, self.said = name, {}

    def comment(self, line):
        words = line.split(" ", 3)
        if len(words) != 4 or words[1] not in ("TYPE", "HELP", "UNIT"):
            raise ValueError("a comment that says nothing")
        self.enter(words[2])
        if words[1] in self.said or self.current in {name for name, _ in self.samples}:
            raise ValueError(f"{words[1]} twice, or behind a sample")
        self.said[words[1]] = words[3]
        if words[1] == "TYPE" and words[3] != "gauge":
            raise ValueError("not a gauge")
        if words[1] == "UNIT" and not (self.openmetrics and words[2].endswith("_" + words[3])):
            raise ValueError("the unit is not the end of the name")

    def add(self, line):
        key, value = sample(line)
        self.enter(key[0])
        if "TYPE" not in self.said:
            raise ValueError("a sample without a type")
        key = (key[0], tuple(sorted(key[1])))
        if key in self.samples:
            raise ValueError("a sample twice")
        self.samples[key] = value


def read(text, openmetrics):
    if not text.endswith("# EOF\n" if openmetrics else "\n") or (not openmetrics and "# EOF" in text.split("\n")):
        raise ValueError("no end")
    lines = text.split("\n")[:-2 if openmetrics else -1]
    families = Families(openmetrics)
    for number, line in enumerate(lines, 1):
        try:
            families.comment(line) if line.startswith("#") else families.add(line)
        except ValueError as error:
            raise ValueError(f"{number}: {error}: {line}") from None
    return families.samples
