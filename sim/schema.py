"""The JSON Schema of parameter files, made from the declarations; editors complete from it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from sim.checks import FORMAT, MAX_DRAWS, MAX_SEED, SAMPLERS
from sim.distributions import FAMILIES, FISCAL_KEYS, LAWS
from sim.explain import FISCAL_YEAR_END
from sim.fields import FACTORS, RENTAL_MODES, VIEWS, Field
from sim.inputs import IN_FISCAL_YEARS
from sim.resolve import GROUPS, HOST_FIELDS, LAB_FIELDS, LANDLORD_FIELDS

Schema = dict[str, Any]


def text() -> str:
    """The schema as JSON text, as `params/schema.json` holds it."""
    return json.dumps(schema(), indent=1) + "\n"


def schema() -> Schema:
    """The schema of a scenario file; `$defs` has those of lab and landlord files.

    Nothing is required in it, since an overlay says only what differs: `sim check` looks for what
    is missing.
    """
    lab, landlord = _party(LAB_FIELDS), _party(LANDLORD_FIELDS)
    month = {"type": "integer", "minimum": 1, "maximum": 12}
    landlord["properties"][FISCAL_YEAR_END] = {
        "description": "Month in which its fiscal years end",
        **month,
    }
    for name in IN_FISCAL_YEARS:
        for year in sorted(FISCAL_KEYS):
            said = {"description": f"Fiscal {year[2:]}", **_bounds(LANDLORD_FIELDS[name])}
            landlord["properties"][name]["properties"][year] = said
    lab["properties"]["host"] = {
        "description": "What each landlord is to the lab",
        "additionalProperties": {"$ref": "#/$defs/host"},
    }
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
                        "uncertainty": {"type": "number", "minimum": 0},
                        "named_labs": {"type": "array", "items": {"type": "string"}},
                        "thresholds_gw": {"type": "array", "items": {"exclusiveMinimum": 0}},
                    }
                ),
                "factors": _object({factor: {"type": "number"} for factor in FACTORS}),
                "labs": {"additionalProperties": {"$ref": "#/$defs/lab"}},
                "landlords": {"additionalProperties": {"$ref": "#/$defs/landlord"}},
                **{name: _object(_quantities(fields)) for name, fields in GROUPS.items()},
            }
        ),
        "$defs": {
            "loads": _object({f: {"type": "number", "minimum": -1, "maximum": 1} for f in FACTORS}),
            "host": _object({**{n: _host(f) for n, f in HOST_FIELDS.items()}, **_provenance("1")}),
            "lab": lab,
            "landlord": landlord,
        },
    }


def _object(properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _party(fields: Mapping[str, Field]) -> Schema:
    return _object(
        {
            "format": {"const": FORMAT},
            "name": {"type": "string", "description": "Name in tables and figures"},
            "order": {"type": "number", "description": "Place in tables and figures"},
            **_quantities(fields),
        }
    )


def _quantities(fields: Mapping[str, Field]) -> Schema:
    return {name: _quantity(field) for name, field in fields.items()}


def _bounds(field: Field) -> Schema:
    bounds: Schema = {"type": "integer" if field.whole else "number"}
    if math.isfinite(field.lo):
        bounds["exclusiveMinimum" if field.lo_open else "minimum"] = field.lo
    if math.isfinite(field.hi):
        bounds["maximum"] = field.hi
    return bounds


def _host(field: Field) -> Schema:
    kind = {"type": "boolean"} if field.flag else _bounds(field)
    return {"description": field.meaning, **kind}


def _provenance(unit: str) -> Schema:
    return {
        "unit": {"const": unit},
        "source": {"type": "string", "description": "An id of sources.toml, or judgement"},
        "note": {"type": "string"},
    }


def _quantity(field: Field) -> Schema:
    laws: Schema = {"family": {"enum": list(FAMILIES)}}
    for law in LAWS:
        for name, said in law.model_json_schema()["properties"].items():
            if name != "family":
                laws[name] = {k: v for k, v in said.items() if k != "title"}
    laws["value"] = {"type": "boolean"} if field.flag else _bounds(field)
    laws["median"] = _bounds(field)
    return {
        "description": f"{field.meaning} [{field.unit}]",
        **_object(
            {**laws, "loads": {"$ref": "#/$defs/loads"}, **_provenance(field.unit), "as_of": {}}
        ),
    }
