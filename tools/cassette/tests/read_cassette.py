"""A second reader of cassettes, made from docs/cassette.md and nothing else.

    python3 read_cassette.py FILE            lists every record, a JSON line each
    python3 read_cassette.py FILE KEY        exchanges with a key, through the index

Octets stand as hexadecimal digits.
"""

import json
import sys
from struct import unpack_from

TABLE = []
for octet in range(256):
    for _ in range(8):
        octet = octet >> 1 ^ (0x82F63B78 if octet & 1 else 0)
    TABLE.append(octet)


def crc32c(octets, start=0):
    crc = start ^ 0xFFFFFFFF
    for octet in octets:
        crc = crc >> 8 ^ TABLE[(crc ^ octet) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record_at(data, at):
    """Header, payload and end of the whole record at an offset, or None."""
    if at + 32 > len(data):
        return None
    octets, crc, kind, flags, padding, zero, connection, exchange, time = unpack_from(
        "<IIBBBBIQQ", data, at
    )
    if octets % 8 or octets > 1 << 24 or octets < 32 + padding or padding > 7 or zero:
        return None
    if at + octets > len(data):
        return None
    place = data[16:32] + at.to_bytes(8, "little") + data[at : at + 4]
    if crc32c(data[at + 8 : at + octets], crc32c(place)) != crc:
        return None
    head = dict(kind=kind, flags=flags, connection=connection, exchange=exchange, time=time)
    return head, data[at + 32 : at + octets - padding], at + octets


def content(head, payload):
    """What a record's payload says, by its kind."""
    kind = head["kind"]
    if kind in (2, 3):
        exact, canonical, *lengths = unpack_from("<QQIIII", payload)
        status, protocol, scheme, _, request, first, last = unpack_from("<HBBIQQQ", payload, 32)
        at, strings = 64, []
        for length in lengths:
            strings.append(payload[at : at + length])
            at += length
        assert at == len(payload)
        names = ["request_head", "request_body", "answer_head", "answer_body"]
        texts = {name: string.hex() for name, string in zip(names, strings)}
        return dict(
            exact=exact, canonical=canonical, status=status, protocol=protocol, scheme=scheme,
            request_ns=request, first_ns=first, last_ns=last, **texts,
        )
    if kind == 9:
        previous, slots, used = unpack_from("<QII", payload)
        return dict(previous=previous, slots=slots, used=used)
    if kind == 10:
        index, exchanges = unpack_from("<QQ", payload)
        return dict(index=index, exchanges=exchanges)
    return dict(payload=payload.hex())


def walk(data):
    """Every whole record, and damage between them."""
    at = 64
    while at < len(data):
        found = record_at(data, at)
        if found:
            head, payload, end = found
            yield at, head, payload
            at = end
            continue
        if not any(data[at:]):
            return
        good = next((to for to in range(at + 8, len(data), 8) if record_at(data, to)), None)
        if good is None:
            return
        yield at, None, good
        at = good


def find(data, key):
    """Offsets of the exchanges with a key, through the chain of indexes."""
    closing = record_at(data, len(data) - 48)
    assert closing and closing[0]["kind"] == 10, "not closed: walk instead"
    index, _ = unpack_from("<QQ", closing[1])
    found = []
    while index:
        head, payload, _ = record_at(data, index)
        assert head["kind"] == 9
        previous, slots, _ = unpack_from("<QII", payload)
        slot = key % slots
        while True:
            its_key, where = unpack_from("<QQ", payload, 16 + 16 * slot)
            if its_key == 0:
                break
            if its_key == key:
                if where % 2:
                    count, _ = unpack_from("<II", data, where - 1)
                    found += unpack_from(f"<{count}Q", data, where + 7)
                else:
                    found.append(where)
                break
            slot = (slot + 1) % slots
        index = previous
    return sorted(found)


def main():
    data = open(sys.argv[1], "rb").read()
    assert data[:8] == bytes.fromhex("8946454e440d0a1a"), "not a cassette"
    assert crc32c(data[:60]) == unpack_from("<I", data, 60)[0], "the head is damaged"
    assert unpack_from("<H", data, 8)[0] == 1, "another version"
    if len(sys.argv) > 2:
        print(json.dumps(find(data, int(sys.argv[2]))))
        return
    for at, head, payload in walk(data):
        if head is None:
            print(json.dumps(dict(damage=[at, payload])))
        else:
            print(json.dumps(dict(at=at, **head, **content(head, payload))))


main()
