"""What all tests of the program share: where it is, and a reader of results that validates them."""
import json
import os
import pathlib

import jsonschema
import pytest

from launch import ROOT

SCHEMA = ROOT / "reports/schema/wiremark-result-1.schema.json"


@pytest.fixture(scope="session")
def wiremark():
    """The binary under test: WM_BINARY, else build/wiremark."""
    path = pathlib.Path(os.environ.get("WM_BINARY", ROOT / "build/wiremark")).resolve()
    if not path.exists():
        pytest.fail(f"{path} does not exist: run make first")
    return path


@pytest.fixture(scope="session")
def load_result():
    """Reads a result and validates it against the schema: load_result(path) -> dict."""
    with open(SCHEMA) as file:
        schema = json.load(file)
    # A validator that knows no 2020-12 yet checks what it understands.
    validator = jsonschema.validators.validator_for(schema, default=jsonschema.Draft7Validator)(schema)

    def load(path):
        with open(path) as file:
            document = json.load(file)
        problems = [f"{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in validator.iter_errors(document)]
        assert not problems, f"{path} does not meet the schema:\n" + "\n".join(problems[:10])
        return document

    return load
