"""Holds dashboards against Grafana's own types: `schema.py FILE …` prints each name that Grafana does not know and each
word that is none of those it allows. The types are made by Grafana from its schema (PyPI: grafana-foundation-sdk)."""

import enum
import json
import sys
import typing

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard


def unknown(ours, theirs, at=""):
    """What is not there any more after Grafana's types have read it."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for name, value in ours.items():
            if name not in theirs:
                yield f"{at}.{name} is unknown"
            else:
                yield from unknown(value, theirs[name], f"{at}.{name}")
    elif isinstance(ours, list) and isinstance(theirs, list):
        for n, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from unknown(a, b, f"{at}[{n}]")
    elif ours != theirs:
        yield f"{at} is {ours!r}, and Grafana reads {theirs!r}"


def not_allowed(value, hint=None, at=""):
    """Words where the types have a list of them, as the types themselves do not look."""
    for allowed in (hint, *typing.get_args(hint)):
        if isinstance(allowed, type) and issubclass(allowed, enum.Enum):
            if value is not None and value not in [a.value for a in allowed]:
                yield f"{at} is {value!r}, none of {[a.value for a in allowed]}"
    if isinstance(value, (list, tuple)):
        for n, item in enumerate(value):
            yield from not_allowed(item, None, f"{at}[{n}]")
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from not_allowed(item, None, f"{at}.{name}")
    elif hasattr(value, "to_json"):
        for name, hint in typing.get_type_hints(type(value)).items():
            yield from not_allowed(getattr(value, name, None), hint, f"{at}.{name}")


register_default_plugins()
for file in sys.argv[1:]:
    with open(file, encoding="utf-8") as f:
        ours = json.load(f)
    dashboard = Dashboard.from_json(ours)
    theirs = json.loads(JSONEncoder().encode(dashboard))
    for wrong in [*unknown(ours, theirs), *not_allowed(dashboard)]:
        print(f"{file}: {wrong}")
