#!/usr/bin/env python3
"""Verifies evidence logs from their files and a public key, written from the format's description alone.

It shares no code with the product and was written from src/docs/evidence.md; log_format.py beside it reads the files. Whoever doubts `servanda evidence verify` asks this, and the other way round.

  verify_log.py DIR [--key VKEY]    one line of JSON: outcome, the first finding that makes it so, missing and erased records;
                                    exit 0 for VALID and ERASED, else 1
  verify_log.py --lines             the same for folders named on standard input, each as a JSON string on a line
"""

import base64
import json
import os
import sys

from log_format import (
    COMMIT, EDGE, GONE, HEADER, NIL, RECORD, Bad, Key, Tree, checkpoint, count, crc32c, delegation, digest, edge_of,
    frame_at, is_name, le, opened, read, resync, revocation, segment_name, sha, small,
)

VALID, ERASED, INCOMPLETE, INVALID = range(4)
OUTCOMES = ["VALID", "ERASED", "INCOMPLETE", "INVALID"]
ACTS = ["allow", "flag", "redact", "hold", "block"]
# White space as Unicode has it.
BLANK = "\t\n\x0b\x0c\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


class Heir:
    """What the next log says of this one."""

    def __init__(self, prev):
        self.size, self.root, self.clean = count(prev.get("size")), digest(prev.get("root")), prev.get("clean") is True
        size, root = count(prev.get("signed_size")), digest(prev.get("signed_root"))
        self.signed = (size, root) if size is not None and root is not None else None
        self.closed, self.closed_more, self.missing = set(), 0, False


class Audit:
    """One log, read once from front to back."""

    def __init__(self, folder, root, heir, gone, revoked):
        self.folder, self.root, self.heir, self.gone, self.revoked = folder, root, heir, gone, revoked
        self.outcome, self.findings, self.missing, self.erased = VALID, [], [], []
        self.key, self.origin, self.holds, self.tree, self.broken, self.group = None, "", None, Tree(), False, []
        self.edges, self.base, self.roots, self.heads, self.sealed, self.torn = {}, None, {}, {}, None, 0
        self.ended, self.intervened, self.counted, self.pruned, self.lost = set(), {}, True, 0, 0
        self.counts = dict.fromkeys(["ended", "interventions", "unjudged"], 0)
        self.acts = {}
        self.prev, self.said, self.holes = None, {"pruned": {}, "erased": set()}, []

    def find(self, code, outcome=INVALID, index=None):
        self.outcome = max(self.outcome, outcome)
        self.findings.append((outcome, code, index))

    def miss(self, first, last):
        self.outcome = max(self.outcome, INCOMPLETE)
        join(self.missing, first, last)

    def file(self, name):
        with open(os.path.join(self.folder, name), "rb") as file:
            return file.read()

    def next(self):
        return self.tree.size + len(self.group)

    def run(self):
        self.identity()
        head = self.published()
        sizes = [head[1]] if head else []
        if self.heir:
            sizes += [self.heir.size] + ([self.heir.signed[0]] if self.heir.signed else [])
        mine = [r for r in self.revoked if self.key and r[0] == self.key.text]
        self.roots = dict.fromkeys(sizes + [size for _, size, _ in mine])
        self.note_root()
        self.segments()
        self.flush()
        self.front()
        for index in self.holes:
            if (self.log_id, index) in self.gone["erased"] | self.said["erased"]:
                self.outcome = max(self.outcome, ERASED)
                join(self.erased, index, index)
            else:
                self.find("not_declared", INCOMPLETE, index)
                self.miss(index, index)
        for _, size, root in mine:
            if self.roots.get(size) not in (None, root):
                self.find("fork", index=0)
            if self.tree.size > size:
                self.find("key_revoked", index=size)
        self.conclude(head)
        return self

    def identity(self):
        try:
            text = self.file("origin").decode("utf-8")
            if text.endswith("\n") and is_name(text[:-1]):
                self.origin = text[:-1]
            else:
                self.find("wrong_origin")
        except (OSError, UnicodeDecodeError):
            self.find("missing_file")
        self.log_id = base64.urlsafe_b64encode(sha(self.origin.encode())).decode().rstrip("=")
        if self.root is None:
            return self.find("unknown_key")
        try:
            raw = self.file("delegation.note")
        except OSError:
            return self.find("missing_file")
        try:
            origin, key, since, until = delegation(opened(raw, self.root))
        except Bad:
            return self.find("bad_signature")
        if origin != self.origin:
            self.find("wrong_origin")
            self.key = key
        elif key.name != origin:
            self.find("wrong_origin")
        else:
            self.holds, self.key = (since * 10**6, until * 10**6), key

    def published(self):
        try:
            raw = self.file("checkpoint")
        except OSError:
            if not (self.heir and not self.heir.clean):
                self.find("missing_file", INCOMPLETE)
            return None
        return self.head(raw, None)

    def head(self, raw, index):
        if self.key is None:
            return None
        try:
            head = checkpoint(opened(raw, self.key))
        except Bad:
            return self.find("bad_signature", index=index)
        return head if head[0] == self.origin else self.find("wrong_origin", index=index)

    def note_root(self):
        if self.tree.size in self.roots and not self.broken:
            self.roots[self.tree.size] = self.tree.root()

    def flush(self):
        group, self.group = self.group, []
        for leaf in group:
            self.broken |= leaf is None
            self.tree.push(leaf or bytes(32))
            self.note_root()

    def gap(self, first, last):
        self.counted = False
        self.find("index_gap", INCOMPLETE, first)
        self.miss(first, last)
        self.group += [None] * (min(last, first + (1 << 20)) - first + 1)

    def segments(self):
        names = sorted((segment_name(name), name) for name in os.listdir(self.folder) if segment_name(name))
        if not names:
            return self.find("missing_file", INCOMPLETE, 0)
        for at, ((first, _), name) in enumerate(names):
            follower = names[at + 1][0][0] if at + 1 < len(names) else None
            file = self.file(name)
            head = b"SRVDNLOG\x01\0\0\0\0\0\0\0" + sha(self.origin.encode()) + first.to_bytes(8, "little") + bytes(4)
            sound = file[:HEADER] == head + crc32c(head).to_bytes(4, "little")
            frame = frame_at(file, HEADER) if at == 0 and sound else None
            tree = edge_of(first, frame[2]) if frame and frame[0] == EDGE and frame[1] == first else None
            if tree:
                self.tree, self.pruned = tree, first
            if first > self.next():
                self.gap(self.next(), first - 1)
            if not sound:
                self.find("bad_segment", index=first)
            self.frames(file, follower)

    def frames(self, file, follower):
        at, sound, self.running = min(HEADER, len(file)), True, (0, 0)
        while True:
            frame = frame_at(file, at)
            if frame:
                if follower is not None and frame[0] in (RECORD, GONE) and frame[1] >= follower:
                    return self.find("trailing_bytes", index=frame[1])
                sound &= self.frame(file, frame, sound)
                at = frame[4]
                continue
            rest = len(file) - at
            if file.count(0, at) == rest:
                if rest and (self.heir or self.sealed):
                    self.find("trailing_bytes", INVALID if self.heir else INCOMPLETE, self.next())
                return None
            sound, index = False, self.next()
            frame = resync(file, at + 1, index)
            if frame is None or (follower is not None and frame[1] > follower):
                if follower is None and not self.sealed and not self.heir:
                    self.torn = rest
                    return None
                return self.find("bad_frame", index=self.next())
            self.find("bad_frame", INCOMPLETE, index)
            self.counted = False
            for lost in range(index, frame[1]):
                self.miss(lost, lost)
                self.group.append(None)
            if frame[1] == index:
                self.find("bad_frame", index=index)
            at = frame[3]

    def frame(self, file, frame, sound):
        kind, number, content, at, _ = frame
        index = self.next()
        if kind in (RECORD, GONE):
            if self.sealed:
                self.find("not_sealed_last", index=index)
            if number != index:
                self.find("index_gap", index=index)
                self.counted = False
                if number < index:
                    return False
                self.gap(index, number - 1)
            self.group.append(sha(b"\0", content) if kind == RECORD else content)
            if kind == GONE:
                self.counted = False
                self.holes.append(number)
            else:
                self.record(content, number)
            return number == index
        if kind == COMMIT:
            return self.commit(file, number, content, at, sound)
        self.flush()
        size = self.tree.size
        if kind == EDGE:
            tree = edge_of(number, content) if at == HEADER and number == size else None
            if tree is None:
                self.find("bad_frame", index=size)
                return False
            if not self.broken and (tree.size, tree.peaks) != (self.tree.size, self.tree.peaks):
                self.find("root_mismatch", index=size)
            self.edges[size] = tree.root()
            return True
        head = self.head(content, index)
        if head:
            if number != head[1] or head[1] != size:
                self.find("index_gap", index=index)
            elif not self.broken and head[2] != self.tree.root():
                self.find("root_mismatch", index=index)
            self.heads[head[1]] = head[2]
        return True

    def commit(self, file, number, content, at, sound):
        first = self.tree.size
        size, root, running = le(content[:8]), content[8:40], le(content[40:44])
        leaves = [content[n : n + 32] for n in range(44, len(content), 32)]
        if len(content) < 44 or len(content) % 32 != 12 or size < len(leaves):
            self.find("bad_frame", index=first)
            return False
        if number != size or size != self.next() or len(leaves) != len(self.group):
            self.find("index_gap", index=min(self.next(), size))
            return False
        self.running = (crc32c(file[self.running[1] : at], self.running[0]), at)
        if sound and self.running[0] != running:
            self.find("bad_frame", index=first)
        self.group = [ours or theirs for ours, theirs in zip(self.group, leaves)]
        for n, (ours, theirs) in enumerate(zip(self.group, leaves)):
            if ours != theirs:
                self.find("leaf_mismatch", index=first + n)
        self.flush()
        if not self.broken and self.tree.root() != root:
            self.find("root_mismatch", index=first)
        return True

    def record(self, raw, index):
        wrong, record, kind = read(raw)
        if wrong:
            self.counted = False
            return self.find(wrong, index=index)
        time, mono = small(record.get("time_us")), small(record.get("mono_us"))
        if self.holds and time is not None and mono is not None:
            since, until = self.holds
            start = time - mono if index == 0 else since
            if start < since or start + mono > until:
                self.holds = None
                self.find("delegation_expired", index=index)
            elif index == 0:
                self.holds = (start, until)
        if record["log"] != self.log_id:
            self.find("foreign_record", index=index)
        if kind is None:
            return None
        if (index == 0) != (kind == "log.open"):
            self.find("not_opened", index=index)
        if kind == "exchange":
            self.counts["ended"] += 1
            self.counts["unjudged"] += "unjudged" in record or "unjudged_more" in record
            self.acts[record["act"]] = self.acts.get(record["act"], 0) + 1
            if record["id"] in self.ended:
                self.find("duplicate_record", index=index)
            self.ended.add(record["id"])
            seen, told = self.intervened.pop(record["id"], 0), count(record.get("interventions", 0)) or 0
            if self.counted and not self.lost and seen != told and not (self.pruned and seen < told):
                self.find("counter_mismatch", index=index)
        elif kind == "intervention":
            self.counts["interventions"] += 1
            if record["exchange"] != NIL:
                self.intervened[record["exchange"]] = self.intervened.get(record["exchange"], 0) + 1
        else:
            self.keeping(kind, record, index)

    def keeping(self, kind, record, index):
        number = lambda key: count(record.get(key)) or 0
        if kind == "gap":
            self.lost += number("count")
        elif kind == "log.seal":
            if number("size") != index + 1:
                self.find("counter_mismatch", index=index)
            self.sealed = (index, number("in_flight"))
        elif kind == "log.open":
            if record["origin"] != self.origin:
                self.find("wrong_origin", index=index)
            if self.key and self.key.text != record["vkey"]:
                self.find("unknown_key", index=index)
            heir = Heir(record["prev"]) if "prev" in record else None
            self.prev = (record["prev"]["origin"], heir) if heir and heir.size is not None else None
        elif kind == "recovery" and self.prev and self.prev[0] == record["origin"]:
            heir = self.prev[1]
            heir.closed |= set(record.get("ids", []))
            heir.closed_more += number("ids_more")
            heir.missing |= "missing" in record
        elif kind == "config.change":
            for pruned in record.get("pruned", []):
                if count(pruned["size"]) is not None:
                    self.said["pruned"].setdefault(pruned["origin"], {})[pruned["size"]] = digest(pruned.get("root"))
        elif kind == "erasure" and record["state"] == "erased" and count(record["index"]) is not None:
            self.said["erased"].add((record["target"], record["index"]))
        elif kind == "heartbeat" and self.counted:
            theirs = {act: count(record["acts"].get(act)) or 0 for act in ACTS}
            theirs |= {key: number(key) for key in ("ended", "interventions", "lost", "unjudged")}
            ours = self.counts | {act: self.acts.get(act, 0) for act in ACTS} | {"lost": self.lost}
            if self.pruned and self.base is None:
                self.base = {key: max(theirs[key] - ours[key], 0) for key in theirs}
            if any(theirs[key] != ours[key] + (self.base or {}).get(key, 0) for key in theirs):
                self.find("counter_mismatch", index=index)

    def front(self):
        sizes = [gone["pruned"].get(self.origin, {}) for gone in (self.gone, self.said)]
        declared = max([0] + [size for one in sizes for size in one])
        if self.pruned > declared:
            self.find("index_gap", INCOMPLETE, declared)
            self.miss(declared, self.pruned - 1)
        for size, root in [pair for one in sizes for pair in sorted(one.items())]:
            here = self.tree.root() if size == self.tree.size and not self.broken else self.edges.get(size)
            if root and here and here != root:
                self.find("root_mismatch", index=size)

    def unplaced(self):
        return None if any(index is not None for _, _, index in self.findings) else 0

    def conclude(self, published):
        size, heir = self.tree.size, self.heir
        if published is None and heir and len(self.heads) > 1:
            self.find("missing_file", INCOMPLETE)
        if published:
            _, signed, root = published
            if signed > size:
                self.find("truncated", index=size)
            elif self.roots.get(signed) not in (None, root):
                self.find("root_mismatch", index=self.unplaced())
            elif signed not in self.heads:
                self.find("truncated", index=signed)
            if self.sealed and signed < size and size in self.heads:
                self.find("stale", INCOMPLETE, signed)
            self.heads[signed] = root
        if heir:
            here = self.roots.get(heir.size)
            if heir.size > size:
                self.find("truncated", index=size)
            elif heir.size < size and not heir.missing:
                self.find("inconsistent", index=heir.size)
            elif here not in (None, heir.root):
                self.find("inconsistent", index=self.unplaced())
            if heir.signed and self.roots.get(heir.signed[0]) not in (None, heir.signed[1]):
                self.find("inconsistent", index=self.unplaced())
            if heir.clean and not self.sealed:
                self.find("truncated", index=size)
            if heir.signed and heir.signed[0] > size:
                self.miss(size, heir.signed[0] - 1)
        left = [id for id in self.intervened if id not in self.ended]
        if self.sealed:
            allowed = self.sealed[1]
        elif heir:
            allowed = sum(id in heir.closed for id in left) + heir.closed_more
        else:
            return
        if len(left) > allowed and self.counted and not self.lost:
            self.find("missing_exchange", INCOMPLETE)


# ---- a folder -----------------------------------------------------------------------------------------------------------


def join(runs, first, last):
    if runs and runs[-1][1] + 1 >= first:
        runs[-1][1] = max(runs[-1][1], last)
    else:
        runs.append([first, last])


def text_of(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def verify(folder, key=None):
    """Outcome, the first finding that makes it so, and what is missing or erased, log by log."""
    findings, logs, chain, root, revoked = [], [], [], None, []
    try:
        vkey = text_of(os.path.join(folder, "root.vkey")) if key is None else key.strip() + "\n"
        if not vkey.endswith("\n"):
            raise Bad("root.vkey is not one line")
        root = Key(vkey[:-1])
    except Bad:
        findings.append((INVALID, "unknown_key", None))
    notes = os.path.join(folder, "revocations")
    for name in sorted(os.listdir(notes)) if os.path.isdir(notes) and root else []:
        if name.endswith(".note"):
            try:
                with open(os.path.join(notes, name), "rb") as file:
                    revoked.append(revocation(opened(file.read(), root)))
            except Bad:
                findings.append((INVALID, "bad_signature", None))
    place, prev, gone = os.path.join(folder, "logs"), None, {"pruned": {}, "erased": set()}
    for boot in sorted((b for b in os.listdir(place) if os.path.isdir(os.path.join(place, b))), reverse=True):
        origin = text_of(os.path.join(place, boot, "origin")).rstrip(BLANK)
        heir = prev[1] if prev and prev[0] == origin else None
        log = Audit(os.path.join(place, boot), root, heir, gone, revoked).run()
        prev = log.prev
        for name, sizes in log.said["pruned"].items():
            gone["pruned"].setdefault(name, {}).update(sizes)
        gone["erased"] |= log.said["erased"]
        logs.insert(0, log)
        chain.insert(0, (log.origin, prev and (prev[0], prev[1].size)))
    before = None
    for origin, link in chain:
        known = max([0, *gone["pruned"].get(link[0], {})]) if link else 0
        if (link and before != link[0] and known < link[1]) or (not link and before is not None):
            findings.append((INCOMPLETE, "missing_log", None))
        before = origin
    outcome = max([VALID] + [log.outcome for log in logs] + [finding[0] for finding in findings])
    every = [finding for log in logs for finding in log.findings] + findings
    first = next((finding[1:] for finding in every if finding[0] == outcome), (None, None))
    runs = lambda name: [[n, *run] for n, log in enumerate(logs) for run in getattr(log, name)]
    return {"outcome": OUTCOMES[outcome], "code": first[0], "index": first[1], "missing": runs("missing"), "erased": runs("erased")}


def main(arguments):
    if arguments == ["--lines"]:
        for line in sys.stdin:
            print(json.dumps(verify(json.loads(line))), flush=True)
        return 0
    if len(arguments) not in (1, 3) or (len(arguments) == 3 and arguments[1] != "--key"):
        print(__doc__, file=sys.stderr)
        return 2
    answer = verify(arguments[0], *arguments[2:])
    print(json.dumps(answer))
    return 0 if answer["outcome"] in ("VALID", "ERASED") else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
