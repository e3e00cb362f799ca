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
from sim.parameters.fields import GROUPS, HOST_FIELDS, LAB_FIELDS, LANDLORD_FIELDS
from sim.parameters.options import MAX_DRAWS, MAX_SEED, MOST_UNCERTAINTY, SAMPLERS
from sim.parameters.rules import FORMAT, MOST_SCORE

Schema = dict[str, Any]


def text() -> str:
    """The schema as JSON text, as `params/schema.json` holds it."""
    return json.dumps(schema(), indent=1) + "\n"


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
        "additionalProperties": {"$ref": "#/$defs/host"},
    }
    score = {"type": "number", "minimum": -MOST_SCORE, "maximum": MOST_SCORE}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
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
                "labs": {"additionalProperties": {"$ref": "#/$defs/lab"}},
                "landlords": {"additionalProperties": {"$ref": "#/$defs/landlord"}},
                **{name: _object(_quantities(fields)) for name, fields in GROUPS.items()},
            }
        ),
        "$defs": {
            "distribution": _distribution(),
            "component": {"anyOf": [{"type": "number"}, _closed({"value": {"type": "number"}})]},
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


def _distribution() -> Schema:
    """The keys of all families.

    One that families bound differently is any number.
    """
    shapes: Schema = {}
    for distribution in FAMILIES.values():
        own = distribution.model_json_schema()["properties"]
        for key in distribution.keys({}):
            number = {k: v for k, v in _number(own.get(key, {})).items() if k != "default"}
            shapes[key] = number if shapes.get(key, number) == number else {"type": "number"}
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    words = {
        "family": {"anyOf": [{"enum": list(FAMILIES)}, {"pattern": "^scipy\\."}]},
        "mean": {"type": "number"},
        "sd": {"type": "number", "minimum": 0},
        "quantiles": {"description": "Pairs of level and value", "type": "array", "items": pair},
        "values": numbers,
        "weights": {**numbers, "items": {"type": "number", "minimum": 0}},
        "components": {"type": "array", "items": {"$ref": "#/$defs/component"}, "minItems": 1},
        "file": {"description": "A CSV file with a header", "type": "string"},
        "column": {"description": "A column of the CSV file", "type": "string"},
    }
    scipy = {"properties": {"family": {"pattern": "^scipy\\."}}, "required": ["family"]}
    return {
        "properties": {**shapes, **words},
        "patternProperties": {"^p([1-9][0-9]?|(0|[1-9][0-9]?)\\.[0-9]*[1-9])$": {"type": "number"}},
        # The names of parameters of scipy are not known here.
        "if": scipy,
        "then": {"additionalProperties": {}},
    }


def _number(schema: Schema) -> Schema:
    """A field's schema without title and without null."""
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
    return {key: value for kind in kinds for key, value in kind.items() if key != "title"}


def _closed(properties: Schema) -> Schema:
    """A distribution beside further keys, and nothing else."""
    distribution = {"$ref": "#/$defs/distribution"}
    return {
        "type": "object", "allOf": [distribution], "properties": properties,
        "unevaluatedProperties": False,
    }  # fmt: skip


def _quantity(field: Field, loads: str) -> Schema:
    """The table of a quantity."""
    value = {"type": "boolean"} if field.flag else _bounds(field)
    return {
        "description": f"{field.meaning} [{field.unit}]",
        **_closed(
            {
                "value": value,
                "median": _bounds(field),
                "loads": {"$ref": f"#/$defs/{loads}"},
                **_provenance(field.unit),
                "as_of": {},
            }
        ),
    }
