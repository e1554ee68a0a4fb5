#!/usr/bin/env python3
"""Verifies evidence logs from their files and a public key, written from the format's description alone.

It shares no code with the product and was written from src/docs/evidence.md; what each kind of record may hold is read from the
table in src/docs/records.md. Whoever doubts `servanda evidence verify` asks this, and the other way round.

  verify_log.py DIR [--key VKEY]    one line of JSON: outcome, the first finding that makes it so, missing and erased records;
                                    exit 0 for VALID and ERASED, else 1
  verify_log.py --lines             the same for folders named on standard input, each as a JSON string on a line
"""

import base64
import collections
import hashlib
import json
import re
import sys
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from verify_pact import Invalid, canonical, refuse, unique

VALID, ERASED, INCOMPLETE, INVALID = range(4)
OUTCOMES = ["VALID", "ERASED", "INCOMPLETE", "INVALID"]
ACTS = ["allow", "flag", "redact", "hold", "block"]
COUNTED = [*ACTS, "ended", "interventions", "lost", "unjudged"]
RECORD, COMMIT, CHECKPOINT, EDGE, GONE = 1, 2, 3, 4, 5
HEADER, FRAME, RECORD_MAX, CONTENT_MAX = 64, 18, 65535, 131116


def need(holds, why):
    if not holds:
        raise ValueError(why)


CRC = list(range(256))
for _ in range(8):
    CRC = [(value >> 1) ^ (0x82F63B78 if value & 1 else 0) for value in CRC]


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
    raw = base64.b64decode(text + "=" * (-len(text) % 4 if url else 0), b"-_" if url else None, validate=True)
    again = base64.urlsafe_b64encode(raw).rstrip(b"=") if url else base64.b64encode(raw)
    need(again.decode() == text and length in (None, len(raw)), "no base64 of that length")
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
        *left, root = self.peaks or [sha()]
        for peak in reversed(left):
            root = sha(b"\x01", peak, root)
        return root


NAME = r"[A-Za-z0-9.\-_:/]{1,200}"
INTEGER = "(0|-?[1-9][0-9]*)"


def parts(pattern, text):
    """The groups of a text that is written in just this way."""
    match = re.fullmatch(pattern, text)
    need(match, "it does not have that form")
    return match.groups()


class Key:
    """A named key: `name+id+base64`."""

    def __init__(self, text):
        self.text = text
        self.name, number, typed = parts(f"({NAME})\\+([^+]*)\\+(.*)", text)
        typed = decoded(typed, 33)
        self.id = sha(self.name.encode(), b"\n", typed)[:4]
        need(typed[0] == 1 and self.id.hex() == number, "no note key of Ed25519 whose id fits")
        self.public = Ed25519PublicKey.from_public_bytes(typed[1:])


def opened(raw, key):
    """The text of a note, if the key signed it and no line by it is wrong."""
    note, signed = raw.decode("utf-8"), False
    need(len(raw) <= 65536 and not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f]", note), "too long, or control characters")
    text, blank, signatures = note.rpartition("\n\n")
    text, lines = text + "\n", signatures.split("\n")
    need(blank and lines.pop() == "" and len(lines) <= 100, "no signatures, or too many")
    for line in lines:
        name, signature = parts(f"\u2014 ({NAME}) (.*)", line)
        data = decoded(signature)
        need(len(data) >= 4, "no signature line")
        if (name, data[:4]) == (key.name, key.id):
            try:
                key.public.verify(data[4:], text.encode())
            except InvalidSignature as error:
                raise ValueError("a signature does not fit") from error
            signed = True
    need(signed, "no known key signed it")
    return text


def integer(text, least=0, end=2**64):
    need(least <= int(text) < end, "an integer out of range")
    return int(text)


def checkpoint(text):
    origin, size, root = parts(f"({NAME})\n{INTEGER}\n(.*)\n", text)
    return origin, integer(size), decoded(root, 32)


def delegation(text):
    lines = f"origin (.*)\nvkey (.*)\nfrom {INTEGER}\nuntil {INTEGER}\nbuild (?:-|[0-9a-f]{{64}})\n"
    origin, key, since, until = parts("servanda evidence delegation v1\n" + lines, text)
    return origin, Key(key), integer(since, -(2**63), 2**63), integer(until, -(2**63), 2**63)


def revocation(text):
    key, size, root = parts(f"servanda evidence revocation v1\nvkey (.*)\nsize {INTEGER}\nroot (.*)\n", text)
    return Key(key).text, integer(size), decoded(root, 32)


def shapes():
    """For each kind its keys, as the table of the page has them: what they hold, and whether they must be there."""
    out = {}
    for line in Path(__file__).parents[2].joinpath("src/docs/records.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[3] in ("yes", "no"):
            keys = out.setdefault(cells[0], {})
            *path, name = cells[1].replace("[]", ".[]").split(".")
            for step in path:
                keys = keys[step][2]
            keys[name] = (cells[2], cells[3] == "yes", {})
    return out


SHAPES = shapes()
NIL = "00000000-0000-0000-0000-000000000000"
# What a value of each word of the table is.
HOLDS = {
    "boolean": lambda value, most: isinstance(value, bool),
    "digest": lambda value, most: digest(value) is not None,
    "id": lambda value, most: isinstance(value, str) and re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value),
    "integer": lambda value, most: isinstance(value, int) and not isinstance(value, bool),
    "list": lambda value, most: isinstance(value, list) and 0 < len(value) <= int(most),
    "object": lambda value, most: isinstance(value, dict),
    "text": lambda value, most: isinstance(value, str) and len(value.encode()) <= int(most),
    "word": lambda value, most: isinstance(value, str) and re.fullmatch(r"[a-z0-9_.\-/]{1,64}", value),
}


def fits(value, shape, must, below):
    """Whether a value is what the table says, with all that is in it."""
    word, _, most = shape.partition(" of at most ")
    if not HOLDS[word](value, most):
        return False
    if word == "list":
        return all(fits(item, *below["[]"]) for item in value)
    return word != "object" or fit(value, below)


def fit(record, keys):
    known = all(name in keys and fits(value, *keys[name]) for name, value in record.items())
    return known and all(name in record for name, (_, must, _) in keys.items() if must)


class Wrong(Exception):
    """The code of what is wrong with a record."""


def read(raw):
    """A record and its kind, if that is known."""
    if len(raw) > RECORD_MAX:
        raise Wrong("oversize")
    try:
        record = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse)
        need(canonical(record).encode("utf-8") == raw, "another form")
    except (ValueError, RecursionError, Invalid, OverflowError) as error:
        raise Wrong("not_canonical") from error
    if not isinstance(record, dict) or not all(isinstance(record.get(k), str) and record[k] for k in ("kind", "spec", "log")):
        raise Wrong("bad_record")
    keys = SHAPES.get(record["kind"]) if record["spec"] == "evidence/1" else None
    if keys and (not fit(record, keys) or record["id"] == NIL):
        raise Wrong("bad_record")
    return record, record["kind"] if keys else None


def count(value, least=0, end=2**64):
    return value if isinstance(value, int) and not isinstance(value, bool) and least <= value < end else None


def digest(value):
    try:
        return decoded(value, 32, True)
    except (TypeError, ValueError):
        return None


def segment_name(text):
    match = re.fullmatch(r"seg-([0-9]{20})(?:-([1-9][0-9]*))?\.log", text)
    first, attempt = (int(match[1]), int(match[2] or 0)) if match else (2**64, 0)
    return (first, attempt) if first < 2**64 and attempt < 2**32 else None


Frame = collections.namedtuple("Frame", "kind index content at end")


def frame_at(file, at):
    """The sound frame at an offset."""
    if at + FRAME > len(file):
        return None
    length, kind = le(file[at : at + 4]), file[at + 16]
    end, most = at + FRAME + length, {RECORD: RECORD_MAX, GONE: 32}.get(kind, CONTENT_MAX)
    if not (32 if kind == GONE else 1) <= length <= most or end > len(file) or not 1 <= kind <= 5 or file[at + 17] != 0:
        return None
    if crc32c(file[at + 8 : end], crc32c(file[at : at + 4])) != le(file[at + 4 : at + 8]):
        return None
    return Frame(kind, le(file[at + 8 : at + 16]), file[at + FRAME : end], at, end)


def resync(file, start, index):
    """The next sound frame after damage whose index is neither before this one nor further than the file could hold."""
    for at in range(start, len(file) - FRAME):
        frame = frame_at(file, at) if 1 <= file[at + 16] <= 5 and file[at + 17] == 0 else None
        if frame and index <= frame.index <= index + len(file) // FRAME:
            return frame
    return None


def edge_of(size, content):
    if len(content) % 32 or len(content) // 32 != bin(size).count("1"):
        return None
    return Tree(size, [content[at : at + 32] for at in range(0, len(content), 32)])


class Heir:
    """What the next log says of this one."""

    def __init__(self, prev):
        self.size, self.root, self.clean = count(prev.get("size")), digest(prev.get("root")), prev.get("clean") is True
        size, root = count(prev.get("signed_size")), digest(prev.get("signed_root"))
        self.signed, self.signed_root = (0, None) if size is None or root is None else (size, root)
        self.closed, self.closed_more, self.missing = set(), 0, False


class Audit:
    """One log, read once from front to back."""

    def __init__(self, folder, root, heir, gone, revoked):
        self.folder, self.root, self.heir, self.gone, self.revoked = folder, root, heir, gone, revoked
        self.outcome, self.findings, self.missing, self.erased = VALID, [], [], []
        self.key, self.origin, self.holds = None, "", None
        # The tree, the leaves since the last commit (None where unknown), and what is known of other sizes.
        self.tree, self.group, self.broken, self.roots, self.edges, self.heads = Tree(), [], False, {}, {}, {}
        self.sealed, self.pruned, self.holes, self.prev = None, 0, [], None
        # What heartbeats say, as counted here; and by how much more, where the front is gone.
        self.counts, self.base, self.counted = collections.Counter(), None, True
        self.ended, self.intervened, self.said = set(), collections.Counter(), {"pruned": [], "erased": set()}

    def must(self, holds, code, index=None, outcome=INVALID):
        """What does not hold is a finding."""
        if not holds:
            self.outcome = max(self.outcome, outcome)
            self.findings.append((outcome, code, index))
        return holds

    def find(self, code, index=None, outcome=INVALID):
        self.must(False, code, index, outcome)

    def miss(self, first, last):
        self.outcome = max(self.outcome, INCOMPLETE)
        join(self.missing, first, last)

    def next(self):
        return self.tree.size + len(self.group)

    def run(self):
        self.identity()
        published = self.folder / "checkpoint"
        head = self.head(published.read_bytes(), None) if published.is_file() else None
        self.must(published.is_file() or (self.heir and not self.heir.clean), "missing_file", None, INCOMPLETE)
        self.note_root()
        self.segments()
        self.flush()
        self.front()
        for index in self.holes:
            if (self.log_id, index) in self.gone["erased"] | self.said["erased"]:
                self.outcome = max(self.outcome, ERASED)
                join(self.erased, index, index)
            else:
                self.find("not_declared", index, INCOMPLETE)
                self.miss(index, index)
        for _, size, root in (revoked for revoked in self.revoked if self.key and revoked[0] == self.key.text):
            self.must(self.root_fits(size, root), "fork", 0)
            self.must(self.tree.size <= size, "key_revoked", size)
        self.end(head)
        if self.heir:
            self.follow(self.heir)
        self.open_exchanges()
        return self

    def identity(self):
        try:
            text = (self.folder / "origin").read_bytes().decode("utf-8")
            if self.must(re.fullmatch(NAME + "\n", text), "wrong_origin"):
                self.origin = text[:-1]
        except (OSError, UnicodeDecodeError):
            self.find("missing_file")
        self.log_id = base64.urlsafe_b64encode(sha(self.origin.encode())).decode().rstrip("=")
        if not self.must(self.root, "unknown_key"):
            return
        try:
            origin, key, since, until = delegation(opened((self.folder / "delegation.note").read_bytes(), self.root))
        except OSError:
            return self.find("missing_file")
        except ValueError:
            return self.find("bad_signature")
        mine = self.must(origin == self.origin, "wrong_origin")
        if not mine or self.must(key.name == origin, "wrong_origin"):
            self.key, self.holds = key, (since * 10**6, until * 10**6) if mine else None

    def head(self, raw, index):
        if self.key is None:
            return None
        try:
            head = checkpoint(opened(raw, self.key))
        except ValueError:
            return self.find("bad_signature", index)
        return head if self.must(head[0] == self.origin, "wrong_origin", index) else None

    def note_root(self):
        if not self.broken:
            self.roots[self.tree.size] = self.tree.root()

    def root_fits(self, size, root):
        return self.roots.get(size, root) == root

    def flush(self):
        """What is known of a group joins the tree."""
        group, self.group = self.group, []
        for leaf in group:
            self.broken |= leaf is None
            self.tree.push(leaf or bytes(32))
            self.note_root()

    def gap(self, first, last):
        self.counted = False
        self.find("index_gap", first, INCOMPLETE)
        self.miss(first, last)
        self.group += [None] * (min(last, first + (1 << 20)) - first + 1)

    def segments(self):
        names = sorted((segment_name(path.name), path) for path in self.folder.iterdir() if segment_name(path.name))
        self.must(names, "missing_file", 0, INCOMPLETE)
        for at, ((first, _), path) in enumerate(names):
            follower = names[at + 1][0][0] if at + 1 < len(names) else None
            file = path.read_bytes()
            head = b"SRVDNLOG\x01\0\0\0\0\0\0\0" + sha(self.origin.encode()) + first.to_bytes(8, "little") + bytes(4)
            sound = file[:HEADER] == head + crc32c(head).to_bytes(4, "little")
            frame = frame_at(file, HEADER) if at == 0 and sound else None
            if frame and (frame.kind, frame.index) == (EDGE, first) and edge_of(first, frame.content):
                self.tree, self.pruned = edge_of(first, frame.content), first
            if first > self.next():
                self.gap(self.next(), first - 1)
            self.must(sound, "bad_segment", first)
            self.frames(file, follower)

    def frames(self, file, follower):
        at, sound, self.running = min(HEADER, len(file)), True, (0, 0)
        while True:
            frame, index = frame_at(file, at), self.next()
            if frame:
                if follower is not None and frame.kind in (RECORD, GONE) and frame.index >= follower:
                    return self.find("trailing_bytes", frame.index)
                sound &= self.frame(file, frame, sound)
                at = frame.end
                continue
            if not any(file[at:]):
                ended = at < len(file) and (self.heir or self.sealed)
                return self.must(not ended, "trailing_bytes", index, INVALID if self.heir else INCOMPLETE)
            sound, frame = False, resync(file, at + 1, index)
            if frame is None or (follower is not None and frame.index > follower):
                return self.must(follower is None and not self.sealed and not self.heir, "bad_frame", index)
            self.find("bad_frame", index, INCOMPLETE)
            self.counted = False
            for lost in range(index, frame.index):
                self.miss(lost, lost)
                self.group.append(None)
            self.must(frame.index != index, "bad_frame", index)
            at = frame.at

    def frame(self, file, frame, sound):
        """Whether it is sound and in place."""
        index = self.next()
        if frame.kind in (RECORD, GONE):
            self.must(not self.sealed, "not_sealed_last", index)
            if not self.must(frame.index == index, "index_gap", index):
                self.counted = False
                if frame.index < index:
                    return False
                self.gap(index, frame.index - 1)
            if frame.kind == RECORD:
                self.group.append(sha(b"\0", frame.content))
                self.record(frame.content, frame.index)
            else:
                self.group.append(frame.content)
                self.holes.append(frame.index)
                self.counted = False
            return frame.index == index
        if frame.kind == COMMIT:
            return self.commit(file, frame, sound)
        self.flush()
        size = self.tree.size
        if frame.kind == EDGE:
            tree = edge_of(frame.index, frame.content) if frame.at == HEADER and frame.index == size else None
            if not self.must(tree, "bad_frame", size):
                return False
            self.must(self.broken or tree.peaks == self.tree.peaks, "root_mismatch", size)
            self.edges[size] = tree.root()
            return True
        head = self.head(frame.content, index)
        if head:
            placed = self.must(frame.index == head[1] == size, "index_gap", index)
            self.must(not placed or self.broken or head[2] == self.tree.root(), "root_mismatch", index)
            self.heads[head[1]] = head[2]
        return True

    def commit(self, file, frame, sound):
        first, content = self.tree.size, frame.content
        size, root, running = le(content[:8]), content[8:40], le(content[40:44])
        leaves = [content[n : n + 32] for n in range(44, len(content), 32)]
        if not self.must(len(content) >= 44 and len(content) % 32 == 12 and size >= len(leaves), "bad_frame", first):
            return False
        placed = frame.index == size == self.next() and len(leaves) == len(self.group)
        if not self.must(placed, "index_gap", min(self.next(), size)):
            return False
        self.running = (crc32c(file[self.running[1] : frame.at], self.running[0]), frame.at)
        self.must(not sound or self.running[0] == running, "bad_frame", first)
        self.group = [ours or theirs for ours, theirs in zip(self.group, leaves)]
        for n, (ours, theirs) in enumerate(zip(self.group, leaves)):
            self.must(ours == theirs, "leaf_mismatch", first + n)
        self.flush()
        self.must(self.broken or self.tree.root() == root, "root_mismatch", first)
        return True

    def record(self, raw, index):
        try:
            record, kind = read(raw)
        except Wrong as wrong:
            self.counted = False
            return self.find(str(wrong), index)
        time, mono = (count(record.get(key), -(2**63), 2**63) for key in ("time_us", "mono_us"))
        if self.holds and time is not None and mono is not None:
            since, until = self.holds
            start = time - mono if index == 0 else since
            in_time = self.must(since <= start and start + mono <= until, "delegation_expired", index)
            self.holds = (start, until) if in_time else None
        self.must(record["log"] == self.log_id, "foreign_record", index)
        if kind is None:
            return
        self.must((index == 0) == (kind == "log.open"), "not_opened", index)
        number = lambda key: count(record.get(key)) or 0
        if kind == "exchange":
            self.counts.update(["ended", record["act"]] + ["unjudged"] * ("unjudged" in record or "unjudged_more" in record))
            self.must(record["id"] not in self.ended, "duplicate_record", index)
            self.ended.add(record["id"])
            seen, told = self.intervened.pop(record["id"], 0), number("interventions")
            unknown = not self.counted or self.counts["lost"] or (self.pruned and seen < told)
            self.must(unknown or seen == told, "counter_mismatch", index)
        elif kind == "intervention":
            self.counts["interventions"] += 1
            self.intervened[record["exchange"]] += record["exchange"] != NIL
        elif kind == "gap":
            self.counts["lost"] += number("count")
        elif kind == "log.seal":
            self.must(number("size") == index + 1, "counter_mismatch", index)
            self.sealed = (index, number("in_flight"))
        elif kind == "log.open":
            self.must(record["origin"] == self.origin, "wrong_origin", index)
            self.must(not self.key or self.key.text == record["vkey"], "unknown_key", index)
            heir = Heir(record["prev"]) if "prev" in record else None
            self.prev = (record["prev"]["origin"], heir) if heir and heir.size is not None else None
        elif kind == "recovery" and self.prev and self.prev[0] == record["origin"]:
            heir = self.prev[1]
            heir.closed |= set(record.get("ids", []))
            heir.closed_more += number("ids_more")
            heir.missing |= "missing" in record
        elif kind == "config.change":
            told = [(gone["origin"], count(gone["size"]), digest(gone.get("root"))) for gone in record.get("pruned", [])]
            self.said["pruned"] += [gone for gone in told if gone[1] is not None]
        elif kind == "erasure" and record["state"] == "erased" and count(record["index"]) is not None:
            self.said["erased"].add((record["target"], record["index"]))
        elif kind == "heartbeat" and self.counted:
            theirs = {key: count((record["acts"] if key in ACTS else record).get(key)) or 0 for key in COUNTED}
            if self.pruned and self.base is None:
                self.base = {key: max(theirs[key] - self.counts[key], 0) for key in COUNTED}
            ours = {key: self.counts[key] + (self.base or {}).get(key, 0) for key in COUNTED}
            self.must(theirs == ours, "counter_mismatch", index)

    def front(self):
        """What is gone of the front against what was declared."""
        mine = {size: root for origin, size, root in self.said["pruned"] if origin == self.origin}
        said = [*sorted(self.gone["pruned"][self.origin].items()), *sorted(mine.items())]
        declared = max([0, *(size for size, _ in said)])
        if not self.must(self.pruned <= declared, "index_gap", declared, INCOMPLETE):
            self.miss(declared, self.pruned - 1)
        for size, root in said:
            here = self.tree.root() if size == self.tree.size and not self.broken else self.edges.get(size)
            self.must(not root or not here or here == root, "root_mismatch", size)

    def unplaced(self):
        """Where a root that is wrong stands: nowhere, if something with a place was found before."""
        return None if any(index is not None for _, _, index in self.findings) else 0

    def end(self, published):
        size = self.tree.size
        self.must(published or not self.heir or len(self.heads) < 2, "missing_file", None, INCOMPLETE)
        if published:
            _, signed, root = published
            reached = self.must(signed <= size, "truncated", size)
            if reached and self.must(self.root_fits(signed, root), "root_mismatch", self.unplaced()):
                self.must(signed in self.heads, "truncated", signed)
            self.must(not (self.sealed and signed < size and size in self.heads), "stale", signed, INCOMPLETE)

    def follow(self, heir):
        """What the next log says of the end of this one."""
        size = self.tree.size
        reached = self.must(heir.size <= size, "truncated", size)
        if reached and self.must(heir.size == size or heir.missing, "inconsistent", heir.size):
            self.must(self.root_fits(heir.size, heir.root), "inconsistent", self.unplaced())
        self.must(not heir.signed_root or self.root_fits(heir.signed, heir.signed_root), "inconsistent", self.unplaced())
        self.must(self.sealed or not heir.clean, "truncated", size)
        if heir.signed > size:
            self.miss(size, heir.signed - 1)

    def open_exchanges(self):
        left = [id for id in self.intervened if id not in self.ended and id != NIL]
        closed = sum(id in self.heir.closed for id in left) + self.heir.closed_more if self.heir else len(left)
        unknown = not self.counted or self.counts["lost"]
        self.must(unknown or len(left) <= (self.sealed[1] if self.sealed else closed), "missing_exchange", None, INCOMPLETE)


def join(runs, first, last):
    if runs and runs[-1][1] + 1 >= first:
        runs[-1][1] = max(runs[-1][1], last)
    else:
        runs.append([first, last])


def text_of(path):
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def verify(folder, key=None):
    """Outcome, the first finding that makes it so, and what is missing or erased, log by log."""
    findings, logs, root, revoked, prev = [], [], None, [], None
    gone = {"pruned": collections.defaultdict(dict), "erased": set()}
    try:
        root = Key(*parts("(.*)\n", text_of(folder / "root.vkey") if key is None else key.strip() + "\n"))
    except ValueError:
        findings.append((INVALID, "unknown_key", None))
    for note in sorted(folder.glob("revocations/*.note")) if root else []:
        try:
            revoked.append(revocation(opened(note.read_bytes(), root)))
        except ValueError:
            findings.append((INVALID, "bad_signature", None))
    for place in sorted((place for place in folder.joinpath("logs").iterdir() if place.is_dir()), reverse=True):
        heir = prev[1] if prev and prev[0] == text_of(place / "origin").rstrip() else None
        log = Audit(place, root, heir, gone, revoked).run()
        prev = log.prev
        for origin, size, gone_root in log.said["pruned"]:
            gone["pruned"][origin][size] = gone_root
        gone["erased"] |= log.said["erased"]
        logs.insert(0, log)
    before = None
    for log in logs:
        link, size = (log.prev[0], log.prev[1].size) if log.prev else (None, 0)
        if before != link and (link is None or max([0, *gone["pruned"][link]]) < size):
            findings.append((INCOMPLETE, "missing_log", None))
        before = log.origin
    outcome = max([VALID] + [log.outcome for log in logs] + [finding[0] for finding in findings])
    every = [finding for log in logs for finding in log.findings] + findings
    code, index = next((finding[1:] for finding in every if finding[0] == outcome), (None, None))
    runs = {name: [[n, *run] for n, log in enumerate(logs) for run in getattr(log, name)] for name in ("missing", "erased")}
    return {"outcome": OUTCOMES[outcome], "code": code, "index": index, **runs}


def main(arguments):
    if arguments == ["--lines"]:
        for line in sys.stdin:
            print(json.dumps(verify(Path(json.loads(line)))), flush=True)
        return 0
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--key"):
        return __doc__
    answer = verify(Path(arguments[0]), *arguments[2:])
    print(json.dumps(answer))
    return 0 if answer["outcome"] in ("VALID", "ERASED") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
