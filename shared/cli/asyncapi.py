"""`pairstream asyncapi`: the contract of the topics as a document."""

import orjson

from shared.asyncapi import document


def text() -> str:
    """The AsyncAPI 3 document as indented JSON, as it lies in ``docs/asyncapi.json``."""
    return orjson.dumps(document(), option=orjson.OPT_INDENT_2).decode() + "\n"
