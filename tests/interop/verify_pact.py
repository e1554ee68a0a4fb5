#!/usr/bin/env python3
"""Verifies the signatures of sealed pacts, written from the format's description alone (src/docs/pact.md).

It shares no code with the product: whoever doubts one asks the other. It says whether every signature fits
the document and the party that the document names, each role once, at least one. It does not say whether
the keys count (that is the trust file's) nor whether the pact is free of mistakes (that is `servanda check`).

  verify_pact.py FILE...    a line for each file: `valid` or `invalid: why`; exit 1 if one is invalid
  verify_pact.py --lines    the same for documents on standard input, each as a JSON string on a line
"""

import base64
import hashlib
import json
import math
import sys

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FIRST_LINE = b"servanda pact v1\n"
NUMBER_MAX = 2**53 - 1
NESTING_MAX = 128
PARTIES = ("agent", "counterparty", "guarantor")
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Invalid(Exception):
    """Why a document is not validly signed."""


def unique(pairs):
    """A JSON object, refused if a key stands twice: two readers would see two documents."""
    out = dict(pairs)
    if len(out) != len(pairs):
        raise Invalid("a key stands twice")
    return out


def refuse(text):
    raise Invalid(f"{text} is no number of JSON")


def number(value):
    """A number as ECMAScript prints it (RFC 8785, section 3.2.2.3)."""
    if not math.isfinite(value) or abs(value) > NUMBER_MAX:
        raise Invalid("a number is above 2^53-1")
    if value == 0:
        return "0"
    if isinstance(value, int):
        return str(value)
    # repr gives the shortest digits that read back as the same number, as ECMAScript does.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    leading = len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    point = int(exponent or 0) + len(whole) - leading
    sign = "-" if value < 0 else ""
    if len(digits) <= point:
        return sign + digits + "0" * (point - len(digits))
    if point > 0:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if point > -6:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1}"


def canonical(value, depth=0):
    """The canonical form of a JSON value (RFC 8785)."""
    if isinstance(value, (list, dict)) and depth >= NESTING_MAX:
        raise Invalid("nested too deep")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return "[" + ",".join(canonical(item, depth + 1) for item in value) + "]"
    # Keys in order of their UTF-16 code units.
    entries = sorted(value.items(), key=lambda entry: entry[0].encode("utf-16-be"))
    return "{" + ",".join(f"{canonical(k)}:{canonical(v, depth + 1)}" for k, v in entries) + "}"


def public_key(text):
    """An Ed25519 key as multibase: `z`, then base58 of 0xed 0x01 and the 32 bytes."""
    if not isinstance(text, str) or not text.startswith("z"):
        raise Invalid("a key is no multibase of base58")
    value = 0
    for character in text[1:]:
        if character not in BASE58:
            raise Invalid("a key is no base58")
        value = value * 58 + BASE58.index(character)
    try:
        raw = value.to_bytes(34, "big")
    except OverflowError as error:
        raise Invalid("a key is too long") from error
    if raw[:2] != b"\xed\x01":
        raise Invalid("a key is not of Ed25519")
    return Ed25519PublicKey.from_public_bytes(raw[2:])


def signature_bytes(text):
    """64 bytes in base64url without padding, in the one form there is."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (TypeError, ValueError) as error:
        raise Invalid("a signature is no base64url") from error
    if len(raw) != 64 or base64.urlsafe_b64encode(raw).decode().rstrip("=") != text:
        raise Invalid("a signature is no base64url of 64 bytes")
    return raw


def verify(text):
    """Raises Invalid unless the document is signed by parties it names, each signature fitting."""
    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        if not isinstance(document, dict):
            raise Invalid("a pact is an object")
        signatures = document.pop("signatures", None)
        if not isinstance(signatures, list) or not signatures:
            raise Invalid("nobody has signed")
        digest = hashlib.sha256(canonical(document).encode("utf-8")).hexdigest()
    except (ValueError, RecursionError, OverflowError) as error:
        raise Invalid(f"no JSON: {error}") from error
    subject = document.get("subject")
    seen = set()
    for entry in signatures:
        if not isinstance(entry, dict) or set(entry) != {"at", "by", "key", "role", "signature"}:
            raise Invalid("a signature has `at`, `by`, `key`, `role` and `signature`")
        role = entry["role"]
        if role not in PARTIES or not isinstance(subject, dict) or subject.get(role) != entry["by"]:
            raise Invalid(f"the pact does not name {entry['by']} as {role}")
        if role in seen:
            raise Invalid(f"the {role} has signed twice")
        seen.add(role)
        head = canonical({name: entry[name] for name in ("at", "by", "key", "role")})
        message = FIRST_LINE + digest.encode() + b"\n" + head.encode("utf-8")
        try:
            public_key(entry["key"]).verify(signature_bytes(entry["signature"]), message)
        except InvalidSignature as error:
            raise Invalid(f"the signature of {entry['by']} does not fit") from error


def told(text):
    try:
        verify(text)
    except Invalid as why:
        return f"invalid: {why}"
    return "valid"


def main(arguments):
    if arguments == ["--lines"]:
        for line in sys.stdin:
            print(told(json.loads(line)))
        return 0
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    outcome = 0
    for path in arguments:
        with open(path, encoding="utf-8") as file:
            answer = told(file.read())
        outcome |= answer != "valid"
        print(f"{path}: {answer}")
    return outcome


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
