#!/usr/bin/env python3
"""Scores `servanda scan` on labelled texts and prints one table of figures with their aims.

The texts are not part of this repository: SERVANDA_DATA names the folder that holds them (gzipped JSON
lines, with the scorer `score.py` beside them). Without it the script says so and ends well.

    SERVANDA_DATA=... tests/score/run.py [--bin target/release/servanda] [--pack-file FILE]...
                                         [--only pii,secrets] [--misses ROWS] [--min-score 0.4]

`--misses ROW,ROW` prints what rows of the table get wrong; it is printed, never kept.
"""
import argparse
import collections
import gzip
import importlib.util
import json
import os
import subprocess
import sys
import tempfile

CORE = ["CREDIT_CARD", "PHONE_NUMBER", "EMAIL_ADDRESS", "US_SSN", "IBAN_CODE", "IP_ADDRESS"]

# The names that others give to what our labels name. A type without a label is not claimed, and not scored.
LABELS = {
    "ABA_ROUTING_NUMBER": ["pii.us_aba_routing"],
    "ATLASSIAN_TOKEN": ["secret.atlassian_token"],
    "AUSTRIAN_SSN": ["pii.at_svnr"],
    "AU_ABN": ["pii.au_abn"],
    "AU_ACN": ["pii.au_acn"],
    "AU_MEDICARE": ["pii.au_medicare"],
    "AU_TFN": ["pii.au_tfn"],
    "BRAZILIAN_CPF": ["pii.br_cpf"],
    "CA_SIN": ["pii.ca_sin"],
    "CREDIT_CARD": ["pii.payment_card"],
    "CRYPTO": ["pii.crypto_address"],
    "CZECH_TIN": ["pii.cz_birth_number", "pii.cz_tin"],
    "DE_HEALTH_INSURANCE": ["pii.de_health_insurance"],
    "DE_ID_CARD": ["pii.de_id_card"],
    "DE_PASSPORT": ["pii.de_id_card"],
    "DE_PLZ": ["pii.postal_code"],
    "DE_SOCIAL_SECURITY": ["pii.de_social_security"],
    "DE_TAX_ID": ["pii.de_tax_id"],
    "DE_VAT_ID": ["pii.de_vat"],
    "EMAIL_ADDRESS": ["pii.email"],
    "ES_NIE": ["pii.es_nie"],
    "ES_NIF": ["pii.es_nif"],
    "FI_PERSONAL_IDENTITY_CODE": ["pii.fi_hetu"],
    "GERMAN_IDS": ["pii.de_id_card"],
    "GERMAN_SVNR": ["pii.de_social_security"],
    "IBAN_CODE": ["pii.iban"],
    "IN_AADHAAR": ["pii.in_aadhaar"],
    "IN_GSTIN": ["pii.in_gstin"],
    "IN_PAN": ["pii.in_pan"],
    "IN_VEHICLE_REGISTRATION": ["pii.in_vehicle"],
    "IN_VOTER": ["pii.in_voter"],
    "IP_ADDRESS": ["pii.ip_address"],
    "IT_FISCAL_CODE": ["pii.it_fiscal_code"],
    "IT_PASSPORT": ["pii.passport"],
    "IT_VAT_CODE": ["pii.it_vat"],
    "KR_BRN": ["pii.kr_brn"],
    "KR_RRN": ["pii.kr_rrn"],
    "LITHUANIAN_PERSONAL_IDENTIFICATION_NUMBER": ["pii.lt_personal_code"],
    "LUHN": ["pii.payment_card"],
    "MAC_ADDRESS": ["pii.mac_address"],
    "MEDICAL_LICENSE": ["pii.us_dea"],
    "NIR": ["pii.fr_nir"],
    "NPI": ["pii.us_npi"],
    "PHONE_NUMBER": ["pii.phone"],
    "PH_MOBILE_NUMBER": ["pii.phone"],
    "PL_PESEL": ["pii.pl_pesel"],
    "RODNE_CISLO": ["pii.cz_birth_number"],
    "ROMANIAN_PERSONAL_NUMERIC_CODE": ["pii.ro_cnp"],
    "SE_PERSONNUMMER": ["pii.se_personnummer"],
    "SG_NRIC_FIN": ["pii.sg_nric"],
    "SG_UEN": ["pii.sg_uen"],
    "TH_TNIN": ["pii.th_id"],
    "TR_LICENSE_PLATE": ["pii.tr_vehicle"],
    "TR_NATIONAL_ID": ["pii.tr_tckn"],
    "TR_PHONE_NUMBER": ["pii.phone"],
    "UK_DRIVING_LICENCE": ["pii.uk_driving_licence"],
    "UK_NHS": ["pii.uk_nhs"],
    "UK_NINO": ["pii.uk_nino"],
    "UK_VEHICLE_REGISTRATION": ["pii.uk_vehicle"],
    "US_ITIN": ["pii.us_itin"],
    "US_MBI": ["pii.us_mbi"],
    "US_NPI": ["pii.us_npi"],
    "US_PASSPORT": ["pii.passport"],
    "US_SSN": ["pii.us_ssn"],
    "ZA_ID_NUMBER": ["pii.za_id"],
}


def under(label, prefixes):
    return any(label == p or label.startswith(p + ".") for p in prefixes)


class Bench:
    """The data, the binary, and what the binary found; each file is scanned once."""

    def __init__(self, args):
        self.args = args
        self.found = {}
        self.rows = {}
        spec = importlib.util.spec_from_file_location("score", os.path.join(args.data, "score.py"))
        self.score = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.score)

    def load(self, name):
        if name not in self.rows:
            with gzip.open(os.path.join(self.args.data, name + ".jsonl.gz"), "rt", encoding="utf-8") as f:
                self.rows[name] = [json.loads(line) for line in f if line.strip()]
        return self.rows[name]

    def texts(self, name):
        """(id, text) of every text of a file; an exchange has two bodies."""
        for row in self.load(name):
            if "text" in row:
                yield row["id"], row["text"]
            for side in ("request", "response"):
                body = (row.get(side) or {}).get("body")
                if isinstance(body, str):
                    yield row["id"] + "/" + side, body

    def scan(self, name):
        """id -> (text, findings with places in characters)."""
        if name in self.found:
            return self.found[name]
        texts = list(self.texts(name))
        with tempfile.TemporaryFile("w+b") as lines:
            for at, (_, text) in enumerate(texts):
                lines.write(json.dumps({"id": at, "text": text}).encode() + b"\n")
            lines.seek(0)
            command = [self.args.bin, "scan", "--jsonl"]
            for path in self.args.pack_file:
                command += ["--pack-file", path]
            run = subprocess.run(command, stdin=lines, stdout=subprocess.PIPE, check=True)
        found = collections.OrderedDict()
        for line in run.stdout.decode().splitlines():
            line = json.loads(line)
            key, text = texts[line["id"]]
            raw = text.encode()
            kept = [f for f in line["findings"] if f["score"] >= self.args.min_score]
            for f in kept:
                start = len(raw[: f["start"]].decode())
                f["shown"] = raw[f["start"] : f["end"]].decode()
                f["start"], f["end"] = start, start + len(f["shown"])
            found[key] = (text, kept)
        self.found[name] = found
        return found

    def wrong(self, row, key, what):
        if row in self.args.misses.split(","):
            print("%-8s %s  %s" % (row, key, what))


def spans(bench, row, name, types, keep=lambda r: True):
    """Micro F1 over labelled spans, and the F1 of each type."""
    found = bench.scan(name)
    gold = [r for r in bench.load(name) if keep(r)]
    preds = {}
    for r in gold:
        preds[r["id"]] = [(f["start"], f["end"], t) for t in types for f in found[r["id"]][1] if under(f["label"], LABELS[t])]
    counts = bench.score.spans(gold, preds, types)
    if row in bench.args.misses.split(","):
        for r in gold:
            for t, (_, fp, fn, _) in bench.score.spans([r], preds, types).items():
                if fp or fn:
                    want = [r["text"][x["start"] : x["end"]] for x in r.get("labels", ()) if x["type"] == t]
                    got = [r["text"][s:e] for s, e, k in preds[r["id"]] if k == t]
                    bench.wrong(row, r["id"], "%s want %r got %r in %r" % (t, want, got, r["text"][:300]))
    total = [sum(c[i] for c in counts.values()) for i in range(3)]
    return bench.score.prf(*total)[2], {t: bench.score.prf(*c[:3])[2] for t, c in counts.items()}


def claimed(row):
    """Whether a record's types are ours, and its labels more than a weak shape."""
    top = (row.get("meta") or {}).get("max_score")
    weak = row.get("labels") and top is not None and top < 0.4
    return bool(set(row.get("scored") or ()) & set(LABELS)) and not weak


def check_digits(bench, row):
    found = bench.scan("pii_ddsds_checkdigits")
    right = rows = 0
    for r in bench.load("pii_ddsds_checkdigits"):
        types = [t for t in r["scored"] if t in LABELS]
        if not types:
            continue
        hit = any(under(f["label"], LABELS[t]) for t in types for f in found[r["id"]][1])
        rows += 1
        right += hit == r["meta"]["valid"]
        if hit != r["meta"]["valid"]:
            bench.wrong(row, r["id"], "%s valid=%s %r" % (types, r["meta"]["valid"], r["text"][:120]))
    return right / max(1, rows)


def false_hits(bench, row, names, prefix, leave_out=()):
    """Hits per MB of texts in which there is nothing to find, but for what is labelled."""
    size = hits = 0
    for name in names:
        labels = {r["id"]: r.get("labels", ()) for r in bench.load(name)}
        for key, (text, findings) in bench.scan(name).items():
            size += len(text.encode())
            for f in findings:
                known = any(f["start"] < x["end"] and x["start"] < f["end"] for x in labels.get(key, ()))
                if under(f["label"], [prefix]) and not known and not under(f["detector"], leave_out):
                    hits += 1
                    around = text[max(0, f["start"] - 40) : f["end"] + 20]
                    bench.wrong(row, key, "%s %.2f %r in %r" % (f["detector"], f["score"], f["shown"][:80], around[:160]))
    return hits * 1e6 / max(1, size)


def flagged(bench, row, names, prefix, wanted, positive):
    """The share of texts for which `wanted(row)` holds that have a finding under a prefix, or under one of several."""
    texts = hits = 0
    for name in names:
        found = bench.scan(name)
        for r in bench.load(name):
            if "text" not in r or not wanted(r):
                continue
            labels = [f for f in found[r["id"]][1] if under(f["label"], [prefix] if isinstance(prefix, str) else prefix)]
            texts += 1
            hits += bool(labels)
            if bool(labels) != positive:
                what = ", ".join("%s %r" % (f["detector"], f["shown"][:60]) for f in labels)
                meta = r.get("meta") or {}
                bench.wrong(row, r["id"], "%s %s in %r" % (meta.get("rule") or meta.get("plugin") or r.get("label"), what, r["text"][:400]))
    return hits / max(1, texts)


INJECTION = ["injection_" + n for n in ("agentdojo", "bipia", "garak", "llm_guard", "pyrit", "spikee")]
UTTERANCES = ["topic_clinc150", "topic_banking77"]
ADVICE = ["topic_medical", "topic_spikee"]
BODIES = ["traffic_cassettes", "traffic_mcp", "traffic_agentgateway"]


def pii(bench):
    core, each = spans(bench, "core", "pii_presidio_research_large", CORE)
    yield "core", "PII, six core types, micro F1", core, ">=", 0.95
    yield "core", "PII, phone, F1", each["PHONE_NUMBER"], ">=", 0.85
    for t in CORE:
        yield "core", "  of which " + t, each.get(t, 0.0), None, None
    modules, each = spans(bench, "modules", "pii_presidio_tests", sorted(LABELS), claimed)
    yield "modules", "PII, modules of a peer, claimed types, micro F1", modules, ">=", 0.95
    for t, f1 in sorted(each.items(), key=lambda item: item[1]):
        if f1 < 0.95:
            yield "modules", "  of which " + t, f1, None, None
    for name in ("pii_scrubadub", "pii_llm_guard", "pii_agentgateway"):
        f1, _ = spans(bench, name[4:], name, sorted(LABELS), lambda r: True)
        yield name[4:], "PII, " + name[4:] + ", claimed types, micro F1", f1, None, None
    yield "digits", "Check digits, accuracy", check_digits(bench, "digits"), ">=", 0.97
    hits = false_hits(bench, "docs", ["clean_docs_pydantic"], "pii", ["pii.ip_address.v4"])
    yield "docs", "PII, false hits per MB of clean documents", hits, "<=", 0.5
    yield "bodies", "PII, hits per MB of API bodies", false_hits(bench, "bodies", BODIES, "pii"), "<=", 1.0


def secrets(bench):
    def labelled(label):
        return lambda r: r["label"] == label

    recall = flagged(bench, "leaks", ["secrets_gitleaks"], "secret", labelled("secret"), True)
    yield "leaks", "Secrets, gitleaks' strings, recall", recall, ">=", 0.90
    clean = flagged(bench, "clean", ["secrets_gitleaks"], "secret", labelled("clean"), False)
    yield "clean", "Secrets, gitleaks' clean texts flagged", clean, "<=", 0.10
    recall = flagged(bench, "ds", ["secrets_detect_secrets"], "secret", labelled("secret"), True)
    yield "ds", "Secrets, detect-secrets' strings, recall", recall, None, None
    clean = flagged(bench, "ds_clean", ["secrets_detect_secrets"], "secret", labelled("clean"), False)
    yield "ds_clean", "Secrets, detect-secrets' clean texts flagged", clean, None, None
    docs = false_hits(bench, "secret_docs", ["clean_docs_pydantic"], "secret")
    yield "secret_docs", "Secrets, hits per MB of clean documents", docs, None, None
    bodies = false_hits(bench, "secret_bodies", BODIES, "secret")
    yield "secret_bodies", "Secrets, hits per MB of API bodies", bodies, None, None


def injection(bench):
    def attack(r):
        return r["label"] != "benign"

    recall = flagged(bench, "injection", INJECTION, "injection", attack, True)
    yield "injection", "Injection, all files, recall", recall, ">=", 0.70
    for name in INJECTION:
        yield name, "  of which " + name[10:], flagged(bench, name, [name], "injection", attack, True), None, None
    benign = flagged(bench, "benign", INJECTION, "injection", lambda r: not attack(r), False)
    yield "benign", "Injection, benign texts of the same files flagged", benign, None, None
    false = flagged(bench, "utterances", UTTERANCES, "injection", lambda r: True, False)
    yield "utterances", "Injection, CLINC and banking utterances flagged", false, "<=", 0.005


def topics(bench):
    def advice(r):
        return r["label"] in ("medical_diagnosis", "financial_advice")

    yield "topics", "Topics, advice sought, recall", flagged(bench, "topics", ADVICE, "topic", advice, True), ">=", 0.80
    for name in ADVICE:
        yield name, "  of which " + name[6:], flagged(bench, name, [name], "topic", advice, True), None, None
    hard = flagged(bench, "hard", ADVICE, "topic", lambda r: not advice(r), False)
    yield "hard", "Topics, hard negatives flagged", hard, None, None
    def in_scope(r):
        return r["label"] == "in_scope"

    # Customers of a bank do dispute charges: those are right, and counted apart.
    others = sorted({f["label"] for n in UTTERANCES for _, found in bench.scan(n).values() for f in found} - {"topic.billing_dispute"})
    others = [label for label in others if under(label, ["topic"])]
    scope = flagged(bench, "scope", UTTERANCES, others, in_scope, False)
    yield "scope", "Topics, in-scope utterances flagged", scope, "<=", 0.002
    disputes = flagged(bench, "disputes", UTTERANCES, "topic.billing_dispute", in_scope, False)
    yield "disputes", "Topics, in-scope utterances that dispute a charge", disputes, None, None


FAMILIES = {"pii": pii, "secrets": secrets, "injection": injection, "topics": topics}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=os.environ.get("SERVANDA_DATA"), help="folder of the labelled texts")
    parser.add_argument("--bin", default=os.environ.get("SERVANDA_BIN", "target/release/servanda"))
    parser.add_argument("--pack-file", action="append", default=[], help="packs to try instead of the built-in ones")
    parser.add_argument("--only", default=",".join(FAMILIES), help="families, from: " + ", ".join(FAMILIES))
    parser.add_argument("--misses", metavar="ROWS", default="", help="print what these rows get wrong")
    parser.add_argument("--min-score", type=float, default=0.4)
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a figure misses its aim")
    args = parser.parse_args()
    if not args.data or not os.path.isdir(args.data):
        print("skipped: SERVANDA_DATA names no folder")
        return 0
    bench = Bench(args)
    print("%-14s %-52s %8s  %s" % ("row", "figure", "is", "aim"))
    missed = 0
    for family in args.only.split(","):
        for row, what, value, sign, aim in FAMILIES[family](bench):
            good = aim is None or (value >= aim if sign == ">=" else value <= aim)
            missed += not good
            goal = "" if aim is None else "%s %s%s" % (sign, aim, "" if good else "   MISSED")
            print("%-14s %-52s %8.3f  %s" % (row, what, value, goal))
            sys.stdout.flush()
    return 1 if args.strict and missed else 0


if __name__ == "__main__":
    sys.exit(main())
