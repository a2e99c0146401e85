#!/usr/bin/env python3
"""Recomputes the hash chain of one balance from what the API answers, with Python's own library alone.

    python3 verify.py http://127.0.0.1:4000/graphql bal_…

Says how many entries agree and the last hash, and exits with 0; or names the first entry that does not, and exits with 1.
"""
import hashlib
import json
import math
import os
import sys
import urllib.request

QUERY = """
query($id: ID!, $before: String) { creditBalance(id: $id) { lastSequence entries(last: 100, before: $before) {
  pageInfo { hasPreviousPage startCursor }
  nodes {
    sequence kind credits heldChange uncovered availableAfter settledAfter heldAfter stateAfter origin reason metadata
    idempotencyKey occurredAt recordedAt hash
    balance { id } allocations { grant { id } credits heldChange }
    rating { meter { id } quantity creditsPerUnit exactCredits credits }
    event { id } grant { id } terms { credits priority effectiveAt expiresAt cost { amount currency } }
    hold { id } purchase { id } subscription { id } reverses { id }
  }
} } }
"""


def number(value):
    """A JSON number as RFC 8785 writes it: like JavaScript."""
    if isinstance(value, int):
        value = float(value)
    if value == 0:
        return "0"
    sign, value = ("-", -value) if value < 0 else ("", value)
    digits, exponent = f"{value!r}e0".split("e")[:2] if "e" in repr(value) else (repr(value), "0")
    whole, _, fraction = digits.partition(".")
    point = len(whole) + int(exponent)
    text = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(text)
    text = text.rstrip("0")
    if 0 < point <= 21:
        text = text.ljust(point, "0")
        return sign + text[:point] + ("." + text[point:] if len(text) > point else "")
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + text
    power = point - 1
    return sign + text[0] + ("." + text[1:] if len(text) > 1 else "") + ("e+" if power > 0 else "e-") + str(abs(power))


def canonical(value):
    """Canonical JSON, RFC 8785."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(canonical(key) + ":" + canonical(value[key]) for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, (int, float)):
        if not math.isfinite(value):
            raise ValueError("no JSON number")
        return number(value)
    return json.dumps(value, ensure_ascii=False)


def form(entry):
    """What is hashed of an entry."""
    def named(field):
        return entry[field] and entry[field]["id"]
    rating = entry["rating"]
    return {
        "allocations": [[part["grant"]["id"], part["credits"], part["heldChange"]] for part in entry["allocations"]],
        "availableAfter": entry["availableAfter"],
        "balance": named("balance"),
        "credits": entry["credits"],
        "event": named("event"),
        "grant": named("grant"),
        "heldAfter": entry["heldAfter"],
        "heldChange": entry["heldChange"],
        "hold": named("hold"),
        "idempotencyKey": entry["idempotencyKey"],
        "kind": entry["kind"],
        "metadata": entry["metadata"],
        "occurredAt": entry["occurredAt"],
        "origin": entry["origin"],
        "purchase": named("purchase"),
        "rating": rating and {**rating, "meter": rating["meter"]["id"]},
        "reason": entry["reason"],
        "recordedAt": entry["recordedAt"],
        "reverses": named("reverses"),
        "sequence": entry["sequence"],
        "settledAfter": entry["settledAfter"],
        "stateAfter": entry["stateAfter"],
        "subscription": named("subscription"),
        "terms": entry["terms"],
        "uncovered": entry["uncovered"],
    }


def ask(url, balance, before):
    """A page of entries, the oldest of the balance first."""
    body = json.dumps({"query": QUERY, "variables": {"id": balance, "before": before}}).encode()
    headers = {"content-type": "application/json"}
    if key := os.environ.get("SCRIP_KEY"):
        headers["authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, body, headers)
    with urllib.request.urlopen(request) as answer:
        answer = json.load(answer)
    if answer.get("errors"):
        sys.exit(f"The server answered: {answer['errors'][0]['message']}")
    if answer["data"]["creditBalance"] is None:
        sys.exit(f"There is no balance {balance}.")
    return answer["data"]["creditBalance"]


def main(url, balance):
    """Goes through all entries, the oldest first."""
    last, count, before, left = bytes(32), 0, None, 1
    while left:
        found = ask(url, balance, before)
        page = found["entries"]
        left = page["pageInfo"]["hasPreviousPage"]
        before = page["pageInfo"]["startCursor"]
        # Entries come newest first; the last page's end is the oldest entry.
        for entry in reversed(page["nodes"]):
            count += 1
            last = hashlib.sha256(last + canonical(form(entry)).encode()).digest()
            if entry["sequence"] != str(count) or entry["hash"] != last.hex():
                sys.exit(f"Entry {entry['sequence']} does not follow from the one before it.")
    if count < int(found["lastSequence"]):
        sys.exit(f"There are {found['lastSequence']} entries and {count} were answered.")
    print(f"{count} entries agree; the last hash is {last.hex()}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
