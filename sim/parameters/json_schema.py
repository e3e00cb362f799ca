"""The JSON Schema of parameter files, from the declarations."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from sim.distributions.families import FAMILIES
from sim.distributions.groups import COPULAS, KINDS
from sim.distributions.landlord_capex import FISCAL_KEYS, FISCAL_YEAR_END
from sim.model.declarations import Field
from sim.model.dims import FACTORS, LOADINGS, RENTAL_MODES, VIEWS
from sim.model.inputs import IN_FISCAL_YEARS
from sim.parameters.claims import CLAIM_KEYS, OTHER_KEYS, TOP_KEYS
from sim.parameters.fields import GROUPS, HOST_FIELDS, LAB_FIELDS, LANDLORD_FIELDS
from sim.parameters.options import MAX_DRAWS, MAX_SEED, MOST_UNCERTAINTY, SAMPLERS
from sim.parameters.published import GRADES, STATEMENT_KEYS
from sim.parameters.rules import FORMAT, MOST_SCORE

Schema = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
FILES = {  # kind of file -> its schema in params/
    "scenario": "schema.json",
    "lab": "lab.schema.json",
    "landlord": "landlord.schema.json",
    "sources": "sources.schema.json",
    "published": "published.schema.json",
    "claims": "claims.schema.json",
}
QUANTILES = {"^p([1-9][0-9]?|(0|[1-9][0-9]?)\\.[0-9]*[1-9])$": {"type": "number"}}


def text(kind: str = "scenario") -> str:
    """The schema of a kind of file as JSON text, as `params/` holds it (`FILES`)."""
    return json.dumps(schema_of(kind), indent=1) + "\n"


def schema_of(kind: str) -> Schema:
    """The schema of a kind of file: one of `FILES`."""
    if kind in ("sources", "published", "claims"):
        return {"$schema": DRAFT, **_LISTS[kind]()}
    whole = schema()
    if kind == "scenario":
        return whole
    definitions = whole["$defs"]
    return {"$schema": DRAFT, **definitions[kind], "$defs": definitions}


def schema() -> Schema:
    """The schema of a scenario file.

    Those of lab and landlord files are in `$defs`.

    Nothing is required in it, as an overlay holds only what differs: `sim check` reports what is
    missing.
    """
    lab, landlord = _party(LAB_FIELDS, "lab_loads"), _party(LANDLORD_FIELDS)
    month = {"type": "integer", "minimum": 1, "maximum": 12}
    landlord["properties"][FISCAL_YEAR_END] = {
        "description": "Month in which its fiscal years end",
        **month,
    }
    for name in IN_FISCAL_YEARS:
        for year in sorted(FISCAL_KEYS):
            amount = {"description": f"Fiscal {year[2:]}", **_bounds(LANDLORD_FIELDS[name])}
            landlord["properties"][name]["properties"][year] = amount
    lab["properties"]["host"] = {
        "description": "What each landlord is to the lab",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/host"},
    }
    score = {"type": "number", "minimum": -MOST_SCORE, "maximum": MOST_SCORE}
    return {
        "$schema": DRAFT,
        "title": "Parameters of the AI-lab token economics engine",
        **_object(
            {
                "format": {"const": FORMAT, "description": "Version of the file grammar"},
                "extends": {"type": "string", "description": "The file that this one overlays"},
                "description": {"type": "string", "description": "What the scenario is about"},
                "run": _object(
                    {
                        "draws": {"type": "integer", "minimum": 1, "maximum": MAX_DRAWS},
                        "seed": {"type": "integer", "minimum": 0, "maximum": MAX_SEED},
                        "sampler": {"enum": list(SAMPLERS)},
                    }
                ),
                "model": _object(
                    {
                        "view": {"enum": list(VIEWS)},
                        "rental_mode": {"enum": list(RENTAL_MODES)},
                        "uncertainty": {
                            "type": "number",
                            "minimum": 0,
                            "maximum": MOST_UNCERTAINTY,
                        },
                        "named_labs": {"type": "array", "items": {"type": "string"}},
                        "thresholds_gw": {"type": "array", "items": {"exclusiveMinimum": 0}},
                    }
                ),
                "factors": _object(dict.fromkeys(FACTORS, score)),
                "sweep": _sweep(),
                "correlation": {"type": "array", "items": _group()},
                "labs": {"type": "object", "additionalProperties": {"$ref": "#/$defs/lab"}},
                "landlords": {
                    "type": "object",
                    "additionalProperties": {"$ref": "#/$defs/landlord"},
                },
                **{name: _object(_quantities(fields)) for name, fields in GROUPS.items()},
            }
        ),
        "$defs": {
            **_families(),
            "component": {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/distribution"}]},
            "loads": _loads(FACTORS),
            "lab_loads": _loads(LOADINGS),
            "swept": {
                "anyOf": [
                    {"type": ["number", "string", "boolean"]},
                    {"type": "array", "minItems": 1, "uniqueItems": True},
                    {"type": "object", "additionalProperties": {"$ref": "#/$defs/swept"}},
                ]
            },
            "host": _object({**{n: _host(f) for n, f in HOST_FIELDS.items()}, **_provenance("1")}),
            "lab": lab,
            "landlord": landlord,
        },
    }


def _object(properties: Schema) -> Schema:
    """A table with these keys and no others."""
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _loads(factors: Sequence[str]) -> Schema:
    """Loadings on these factors."""
    return _object({name: {"type": "number", "minimum": -1, "maximum": 1} for name in factors})


def _group() -> Schema:
    """A correlation group."""
    number = {"type": "number", "minimum": -1, "maximum": 1}
    pair = {"prefixItems": [{"type": "string"}, {"type": "string"}, number], "items": False}
    return _object(
        {
            "name": {"type": "string", "description": "Name by which an overlay changes it"},
            "inputs": {"type": "array", "items": {"type": "string"}, "minItems": 2},
            "kind": {"enum": list(KINDS), "description": "What the numbers are correlations of"},
            "copula": {"enum": list(COPULAS)},
            "nu": {"type": "number", "description": "Degrees of freedom of the t copula"},
            "matrix": {"type": "array", "items": {"type": "array", "items": number}},
            "pairs": {"type": "array", "items": pair},
        }
    )


def _sweep() -> Schema:
    """The table `[sweep]`: values by key, or by tables such as `[sweep.hardware.pue]`."""
    return {
        "type": "object",
        "description": "What `sim sweep` does: values by key, such as hardware.pue.median",
        "additionalProperties": {"$ref": "#/$defs/swept"},
    }


def _party(fields: Mapping[str, Field], loads: str = "loads") -> Schema:
    """The file of a lab or a landlord with these quantities.

    `loads` is the definition of their loadings.
    """
    return _object(
        {
            "format": {"const": FORMAT},
            "name": {"type": "string", "description": "Name in tables and figures"},
            "remove": {"const": True, "description": "In an overlay: leave it out"},
            "order": {"type": "number", "description": "Place in tables and figures"},
            **_quantities(fields, loads),
        }
    )


def _quantities(fields: Mapping[str, Field], loads: str = "loads") -> Schema:
    return {name: _quantity(field, loads) for name, field in fields.items()}


def _bounds(field: Field) -> Schema:
    """A number in the domain of a field."""
    bounds: Schema = {"type": "integer" if field.whole else "number"}
    if math.isfinite(field.lo):
        bounds["exclusiveMinimum" if field.lo_open else "minimum"] = field.lo
    if math.isfinite(field.hi):
        bounds["maximum"] = field.hi
    return bounds


def _host(field: Field) -> Schema:
    """A flag or share of what a landlord is to a lab."""
    kind = {"type": "boolean"} if field.flag else _bounds(field)
    return {"description": field.meaning, **kind}


def _provenance(unit: str) -> Schema:
    return {
        "unit": {"const": unit},
        "source": {"type": "string", "description": "An id of sources.toml, or judgement"},
        "note": {"type": "string"},
    }


def _families() -> Schema:
    """Definitions of every family, closed, and `distribution`, any one of them.

    A table without a family, as an overlay has it, may hold the keys of any.
    """
    shapes = _shapes()
    beside: Schema = {key: {} for key in ("value", "loads", "unit", "source", "note", "as_of")}
    definitions: Schema = {}
    for name, distribution in FAMILIES.items():
        keys = {key: shapes[key] for key in distribution.keys({})}
        by_quantiles = bool(distribution.quantile_parameters)
        if by_quantiles:
            keys |= {"median": shapes["median"], "quantiles": shapes["quantiles"]}
        if distribution.moment_parameters:
            keys |= {"mean": shapes["mean"], "sd": shapes["sd"]}
        definitions[f"family_{name}"] = {
            "type": "object",
            "properties": {"family": {"const": name}, **keys, **beside},
            **({"patternProperties": QUANTILES} if by_quantiles else {}),
            "required": ["family"],
            "additionalProperties": False,
        }
    definitions["family_of_scipy"] = {
        "type": "object",
        "properties": {"family": {"type": "string", "pattern": "^scipy\\."}},
        "required": ["family"],
        "additionalProperties": True,  # the names of its parameters are not known here
    }
    definitions["without_family"] = {
        "type": "object",
        "properties": {**shapes, **beside, **{key: {} for key in sorted(FISCAL_KEYS)}},
        "patternProperties": QUANTILES,
        "additionalProperties": False,
    }
    every = [{"$ref": f"#/$defs/{name}"} for name in definitions]
    return {**definitions, "distribution": {"type": "object", "oneOf": every}}


def _shapes() -> Schema:
    """What the keys of all families hold; one that families bound differently is any number."""
    shapes: Schema = {}
    for distribution in FAMILIES.values():
        own = distribution.model_json_schema()["properties"]
        for key in distribution.keys({}):
            number = {k: v for k, v in _number(own.get(key, {})).items() if k != "default"}
            shapes[key] = number if shapes.get(key, number) == number else {"type": "number"}
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    words = {
        "mean": {"type": "number"},
        "sd": {"type": "number", "minimum": 0},
        "quantiles": {"description": "Pairs of level and value", "type": "array", "items": pair},
        "values": numbers,
        "weights": {**numbers, "items": {"type": "number", "minimum": 0}},
        "components": {"type": "array", "items": {"$ref": "#/$defs/component"}, "minItems": 1},
        "file": {"description": "A CSV file with a header", "type": "string"},
        "column": {"description": "A column of the CSV file", "type": "string"},
    }
    return {**shapes, **words}


def _number(schema: Schema) -> Schema:
    """A field's schema without title and without null."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
    return {key: value for kind in kinds for key, value in kind.items() if key != "title"}


def _quantity(field: Field, loads: str) -> Schema:
    """The table of a quantity."""
    value = {"type": "boolean"} if field.flag else _bounds(field)
    return {
        "description": f"{field.meaning} [{field.unit}]",
        "type": "object",
        "properties": {
            "family": {"anyOf": [{"enum": list(FAMILIES)}, {"pattern": "^scipy\\."}]},
            "value": value,
            "median": _bounds(field),
            "loads": {"$ref": f"#/$defs/{loads}"},
            **_provenance(field.unit),
            "as_of": {},
        },
        "allOf": [{"$ref": "#/$defs/distribution"}],
        "additionalProperties": True,  # closed by the family
    }


def _sources() -> Schema:
    """`sources.toml`: a table for each source."""
    date: Schema = {"description": "A date, or a year"}
    entry = _object(
        {
            "title": {"type": "string"},
            "publisher": {"type": "string"},
            "date": date,
            "url": {"type": "string"},
            "grade": {"enum": list(GRADES)},
        }
    )
    return {
        "type": "object",
        "properties": {"format": {"const": FORMAT}},
        "additionalProperties": {**entry, "required": ["title", "publisher", "grade"]},
    }


def _published() -> Schema:
    """`published.toml`: a list of statements."""
    amount = {"type": "number"}
    kinds: Schema = {
        "value": amount, "low": amount, "high": amount,
        "total_of": {"type": "array", "items": {"type": "string"}},
        "as_of": {},
    }  # fmt: skip
    statement = {key: kinds.get(key, {"type": "string"}) for key in STATEMENT_KEYS}
    return _object(
        {
            "format": {"const": FORMAT},
            "statement": {"type": "array", "items": _object(statement)},
        }
    )


def _claims() -> Schema:
    """`claims.toml`: a list of claims."""
    other = {key: {} if key == "as_of" else {"type": "string"} for key in OTHER_KEYS}
    kinds: Schema = {
        "see": {"type": "array", "items": {"type": "string"}},
        "other": {"type": "array", "items": _object(other)},
    }
    claim = {key: kinds.get(key, {"type": "string"}) for key in CLAIM_KEYS}
    properties: Schema = {key: {"type": "string"} for key in TOP_KEYS}
    properties |= {
        "format": {"const": FORMAT},
        "claim": {"type": "array", "items": _object(claim)},
    }
    return _object(properties)


_LISTS = {"sources": _sources, "published": _published, "claims": _claims}
