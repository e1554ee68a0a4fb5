"""The formats of an evidence log, read as src/docs/evidence.md describes them: hashes, notes, records and frames.

It shares no code with the product. What each kind of record may hold is read from the table in src/docs/records.md.
"""

import base64
import hashlib
import json
import os
import re

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify_pact import Invalid, canonical, refuse, unique

RECORD, COMMIT, CHECKPOINT, EDGE, GONE = 1, 2, 3, 4, 5
HEADER, FRAME, RECORD_MAX, GROUP_MAX = 64, 18, 65535, 4096


class Bad(Exception):
    """What cannot be read, or does not hold."""


# ---- bytes, hashes, checksums -------------------------------------------------------------------------------------------


def crc_table():
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        yield value


CRC = list(crc_table())


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = (crc >> 8) ^ CRC[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def le(data):
    return int.from_bytes(data, "little")


def decoded(text, length=None, url=False):
    """Base64 in the one form there is: padded, or for URLs without padding."""
    try:
        if url:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            same = base64.urlsafe_b64encode(raw).decode().rstrip("=") == text
        else:
            raw = base64.b64decode(text, validate=True)
            same = base64.b64encode(raw).decode() == text
    except ValueError as error:
        raise Bad("no base64") from error
    if not same or (length is not None and len(raw) != length):
        raise Bad("no base64 of that length")
    return raw


class Tree:
    """The tree of RFC 9162 as its peaks: the roots of its perfect parts, the largest first."""

    def __init__(self, size=0, peaks=()):
        self.size, self.peaks = size, list(peaks)

    def push(self, leaf):
        size = self.size
        while size & 1:
            leaf = sha(b"\x01", self.peaks.pop(), leaf)
            size >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self):
        if not self.peaks:
            return sha()
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = sha(b"\x01", peak, root)
        return root


# ---- notes --------------------------------------------------------------------------------------------------------------


def is_name(text):
    return re.fullmatch(r"[A-Za-z0-9.\-_:/]{1,200}", text) is not None


class Key:
    """A named key: `name+id+base64`."""

    def __init__(self, text):
        parts = text.split("+", 2)
        if len(parts) != 3 or not is_name(parts[0]):
            raise Bad("no note key")
        self.text, self.name = text, parts[0]
        typed = decoded(parts[2], 33)
        self.id = sha(self.name.encode(), b"\n", typed)[:4]
        if typed[0] != 1 or self.id.hex() != parts[1]:
            raise Bad("no note key of Ed25519 whose id fits")
        self.public = Ed25519PublicKey.from_public_bytes(typed[1:])


def opened(raw, key):
    """The text of a note, if the key signed it and no line by it is wrong."""
    try:
        note = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Bad("the note is not UTF-8") from error
    if len(raw) > 65536 or re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", note):
        raise Bad("the note is too long or has control characters")
    at = note.rfind("\n\n")
    if at < 0 or not note[at + 2 :].endswith("\n"):
        raise Bad("the note has no signatures")
    text, signed = note[: at + 1], False
    lines = note[at + 2 : -1].split("\n")
    if len(lines) > 100:
        raise Bad("too many signatures")
    for line in lines:
        name, blank, signature = line[2:].partition(" ")
        if not line.startswith("\u2014 ") or not blank or not is_name(name):
            raise Bad("no signature line")
        data = decoded(signature)
        if len(data) < 4:
            raise Bad("no signature line")
        if name != key.name or data[:4] != key.id:
            continue
        try:
            key.public.verify(data[4:], text.encode())
        except InvalidSignature as error:
            raise Bad("a signature does not fit") from error
        signed = True
    if not signed:
        raise Bad("no known key signed it")
    return text


def fields(text, first, names):
    """The values of a text of named lines; it must be written in just this way."""
    lines = text.split("\n")
    if lines[0] != first or len(lines) != len(names) + 2 or lines[-1] != "":
        raise Bad("not such a note")
    out = []
    for name, line in zip(names, lines[1:]):
        if not line.startswith(name + " "):
            raise Bad("not such a note")
        out.append(line[len(name) + 1 :])
    return out


def integer(text, signed=False):
    if not re.fullmatch(r"-?(0|[1-9][0-9]*)" if signed else r"0|[1-9][0-9]*", text) or text == "-0":
        raise Bad("no integer")
    value = int(text)
    if not (-(2**63) <= value < 2**63 if signed else value < 2**64):
        raise Bad("an integer out of range")
    return value


def checkpoint(text):
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] != "" or not is_name(lines[0]):
        raise Bad("no checkpoint")
    return lines[0], integer(lines[1]), decoded(lines[2], 32)


def delegation(text):
    first = "servanda evidence delegation v1"
    origin, key, since, until, build = fields(text, first, ["origin", "vkey", "from", "until", "build"])
    if build != "-" and not re.fullmatch("[0-9a-f]{64}", build):
        raise Bad("no digest")
    return origin, Key(key), integer(since, True), integer(until, True)


def revocation(text):
    key, size, root = fields(text, "servanda evidence revocation v1", ["vkey", "size", "root"])
    return Key(key).text, integer(size), decoded(root, 32)


# ---- records ------------------------------------------------------------------------------------------------------------


def shapes():
    """For each kind its keys, as the table of the page has them: what they hold, and whether they must be there."""
    page = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/docs/records.md")
    out = {}
    with open(page, encoding="utf-8") as file:
        for line in file:
            cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
            if len(cells) == 4 and cells[3] in ("yes", "no"):
                keys = out.setdefault(cells[0], {})
                *path, name = cells[1].replace("[]", ".[]").split(".")
                for step in path:
                    keys = keys[step][2]
                keys[name] = (cells[2], cells[3] == "yes", {})
    return out


SHAPES = shapes()
ID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NIL = "00000000-0000-0000-0000-000000000000"


def fits(value, shape, below):
    """Whether a value is what the table says."""
    word, _, most = shape.partition(" of at most ")
    if word == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if word == "boolean":
        return isinstance(value, bool)
    if word == "object":
        return isinstance(value, dict) and fit(value, below)
    if word == "list":
        shape, _, inner = below["[]"]
        return isinstance(value, list) and 0 < len(value) <= int(most) and all(fits(v, shape, inner) for v in value)
    if not isinstance(value, str):
        return False
    if word == "text":
        return len(value.encode()) <= int(most)
    if word == "word":
        return re.fullmatch(r"[a-z0-9_.\-/]{1,64}", value) is not None
    if word == "id":
        return ID.fullmatch(value) is not None
    try:
        return len(decoded(value, 32, True)) == 32
    except Bad:
        return False


def fit(record, keys):
    known = all(name in keys and fits(value, keys[name][0], keys[name][2]) for name, value in record.items())
    return known and all(name in record for name, (_, must, _) in keys.items() if must)


def read(raw):
    """A record and its kind, if that is known; else the code of what is wrong."""
    if len(raw) > RECORD_MAX:
        return "oversize", None, None
    try:
        text = raw.decode("utf-8")
        record = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        if canonical(record) != text:
            return "not_canonical", None, None
        canonical(record).encode("utf-8")
    except (ValueError, RecursionError, Invalid, OverflowError):
        return "not_canonical", None, None
    if not isinstance(record, dict) or not all(isinstance(record.get(k), str) and record[k] for k in ("kind", "spec", "log")):
        return "bad_record", None, None
    keys = SHAPES.get(record["kind"]) if record["spec"] == "evidence/1" else None
    if keys is None:
        return None, record, None
    if not fit(record, keys) or record["id"] == NIL:
        return "bad_record", None, None
    return None, record, record["kind"]


def count(value):
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64 else None


def small(value):
    whole = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return value if whole else None


def digest(value):
    try:
        return decoded(value, 32, True) if isinstance(value, str) else None
    except Bad:
        return None


# ---- segments -----------------------------------------------------------------------------------------------------------


def segment_name(text):
    match = re.fullmatch(r"seg-([0-9]{20})(?:-([1-9][0-9]*))?\.log", text)
    first, attempt = (int(match[1]), int(match[2] or 0)) if match else (2**64, 0)
    return (first, attempt) if first < 2**64 and attempt < 2**32 else None


def frame_at(file, at):
    """The sound frame at an offset: kind, index, content, where it ends."""
    if at + FRAME > len(file):
        return None
    length, kind = le(file[at : at + 4]), file[at + 16]
    end = at + FRAME + length
    if not 0 < length <= 44 + 32 * GROUP_MAX or end > len(file) or not 1 <= kind <= 5 or file[at + 17] != 0:
        return None
    if (kind == RECORD and length > RECORD_MAX) or (kind == GONE and length != 32):
        return None
    if crc32c(file[at + 8 : end], crc32c(file[at : at + 4])) != le(file[at + 4 : at + 8]):
        return None
    return kind, le(file[at + 8 : at + 16]), file[at + FRAME : end], at, end


def resync(file, start, index):
    """The next sound frame after damage whose index is neither before this one nor further than the file could hold."""
    for at in range(start, len(file) - FRAME):
        if 1 <= file[at + 16] <= 5 and file[at + 17] == 0:
            frame = frame_at(file, at)
            if frame and index <= frame[1] <= index + len(file) // FRAME:
                return frame
    return None


def edge_of(size, content):
    if len(content) % 32 or len(content) // 32 != bin(size).count("1"):
        return None
    return Tree(size, [content[at : at + 32] for at in range(0, len(content), 32)])
