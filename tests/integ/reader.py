#!/usr/bin/python3
"""An independent reader: a backup out of the raw objects of a directory, by docs/format.md alone.

Nothing of the program is used, only Python's standard library and the `zstd` program, so what the
format's description leaves out shows here.  Every checksum and hash that the format has is
verified; --no-hash leaves out those of pages, which take Python a second for some 10 MB.

    reader.py [--from-packs] [--no-hash] STORE DATABASE BACKUP OUTPUT

BACKUP is "latest", an id, or the beginning of one.  --from-packs reads no manifest: everything it
says is found in the packs' own indexes.
"""
import argparse
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import threading

M64 = (1 << 64) - 1
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

INDEX_MAGIC, SEEK_MAGIC, SEEK_FOOTER = 0x184D2A5D, 0x184D2A5E, 0x8F92EAB1
BLOCK_MAGIC = b"HFIX"
HASHES, MAP, INFO = 1, 2, 3


class Damaged(Exception):
    """What is there is not what the format says."""


def need(condition, message, *args):
    if not condition:
        raise Damaged(message % args)


# --- XXH64 and XXH3-128: github.com/Cyan4973/xxHash, doc/xxhash_spec.md --------------------------

P32_1, P32_2, P32_3 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def rotl(value, bits):
    return (value << bits | value >> (64 - bits)) & M64


def xxh64(data, seed=0):
    def spin(acc, lane):
        return rotl((acc + lane * P2) & M64, 31) * P1 & M64

    n = len(data) & ~31
    if n:
        a, b, c, d = (seed + P1 + P2) & M64, (seed + P2) & M64, seed, (seed - P1) & M64
        for w, x, y, z in struct.iter_unpack("<4Q", data[:n]):
            a, b, c, d = spin(a, w), spin(b, x), spin(c, y), spin(d, z)
        h = (rotl(a, 1) + rotl(b, 7) + rotl(c, 12) + rotl(d, 18)) & M64
        for acc in (a, b, c, d):
            h = ((h ^ spin(0, acc)) * P1 + P4) & M64
    else:
        h = (seed + P5) & M64
    h = (h + len(data)) & M64
    at = n
    while at + 8 <= len(data):
        h = (rotl(h ^ spin(0, int.from_bytes(data[at:at + 8], "little")), 27) * P1 + P4) & M64
        at += 8
    if at + 4 <= len(data):
        h = (rotl(h ^ int.from_bytes(data[at:at + 4], "little") * P1 & M64, 23) * P2 + P3) & M64
        at += 4
    for byte in data[at:]:
        h = rotl(h ^ byte * P5 & M64, 11) * P1 & M64
    h = (h ^ h >> 33) * P2 & M64
    h = (h ^ h >> 29) * P3 & M64
    return h ^ h >> 32


def seeded_secret(seed):
    words = list(struct.unpack("<24Q", SECRET))
    for i in range(0, 24, 2):
        words[i] = (words[i] + seed) & M64
        words[i + 1] = (words[i + 1] - seed) & M64
    return struct.pack("<24Q", *words)


def merge(acc, secret, offset, start):
    key = struct.unpack_from("<8Q", secret, offset)
    for i in range(0, 8, 2):
        product = (acc[i] ^ key[i]) * (acc[i + 1] ^ key[i + 1])
        start += (product & M64) ^ (product >> 64)
    start &= M64
    start = (start ^ start >> 37) * 0x165667919E3779F9 & M64
    return start ^ start >> 32


def xxh3_128(data, seed=0):
    """As the 16 bytes that the format stores; for more than 240 bytes, as every page has."""
    assert len(data) > 240
    secret = seeded_secret(seed)
    keys = [struct.unpack_from("<8Q", secret, 8 * i) for i in range(16)]
    last_key = struct.unpack_from("<8Q", secret, 121)
    scramble = struct.unpack_from("<8Q", secret, 128)
    acc = [P32_3, P1, P2, P3, P4, P32_2, P5, P32_1]

    def accumulate(lanes, key):
        for i in range(8):
            mixed = lanes[i] ^ key[i]
            acc[i ^ 1] += lanes[i]
            acc[i] += (mixed & 0xFFFFFFFF) * (mixed >> 32)
        for i in range(8):
            acc[i] &= M64

    stripes = (len(data) - 1) // 64  # the last one is taken from the end
    for n, lanes in enumerate(struct.iter_unpack("<8Q", data[:64 * stripes])):
        accumulate(lanes, keys[n % 16])
        if n % 16 == 15:
            for i in range(8):
                acc[i] = (acc[i] ^ acc[i] >> 47 ^ scramble[i]) * P32_1 & M64
    accumulate(struct.unpack("<8Q", data[-64:]), last_key)
    return struct.pack("<2Q", merge(acc, secret, 11, len(data) * P1 & M64),
                       merge(acc, secret, 117, ~(len(data) * P2) & M64))


# --- What packs are made of ----------------------------------------------------------------------

class Varints:
    """Little-endian base 128."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def bytes(self, count):
        need(self.at + count <= len(self.data), "cut off")
        self.at += count
        return self.data[self.at - count:self.at]

    def next(self):
        value = shift = 0
        while True:
            byte, = self.bytes(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                need(value <= M64, "a varint of more than 64 bits")
                return value
            shift += 7

    def signed_from(self, base):
        """A zigzag delta to base."""
        coded = self.next()
        return (base + (coded >> 1 ^ -(coded & 1))) & M64


def zstd(data):
    done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True)
    need(done.returncode == 0, "zstd: %s", done.stderr.decode().strip())
    return done.stdout


def read_block(data, at, kind):
    """The payload of the index block at `at`, and where the next one begins."""
    need(len(data) - at >= 32, "an index block is cut off")
    magic, length = struct.unpack_from("<2I", data, at)
    need(magic == INDEX_MAGIC and length >= 24 and at + 8 + length <= len(data), "no index block")
    block = data[at + 8:at + 8 + length]
    checksum, = struct.unpack("<Q", block[-8:])
    need(xxh64(block[:-8]) == checksum, "the checksum of an index block is wrong")
    magic, version, type_, encoding, reserved, raw_len, stored_len = \
        struct.unpack_from("<4s4B2I", block)
    need(magic == BLOCK_MAGIC and version == 1 and encoding in (0, 1) and reserved == 0,
         "an index block of another version")
    need(type_ == kind, "an index block of type %d, not %d", type_, kind)
    need(stored_len == length - 24, "an index block of a wrong length")
    payload = block[16:-8]
    if encoding == 1:
        payload = zstd(payload)
    need(len(payload) == raw_len, "an index block of %d bytes, not %d", len(payload), raw_len)
    return payload, at + 8 + length


class Pack:
    """One object: pages, index, seek table."""

    def __init__(self, path, record=None):
        self.id = os.path.basename(path)[:-4]
        self.file = open(path, "rb")
        self.size = os.fstat(self.file.fileno()).st_size
        self.record = record
        need(record is None or record["size"] == self.size, "pack %s is of %d bytes, not %d",
             self.id, self.size, record["size"] if record else 0)
        self.seek_table()

    def read(self, offset, length):
        self.file.seek(offset)
        data = self.file.read(length)
        need(len(data) == length, "pack %s ends early", self.id)
        return data

    def seek_table(self):
        """frames: offset -> (stored length, raw length); blocks: (offset, length) of the index."""
        count, descriptor, magic = struct.unpack("<IBI", self.read(self.size - 9, 9))
        need(magic == SEEK_FOOTER and descriptor == 0, "pack %s has no seek table", self.id)
        length = 8 + 8 * count + 9
        table = self.read(self.size - length, length)
        need(struct.unpack_from("<2I", table) == (SEEK_MAGIC, length - 8), "a bad seek table")
        self.frames, self.blocks, at = {}, [], 0
        for stored_len, raw_len in struct.iter_unpack("<2I", table[8:-9]):
            if raw_len == 0:
                self.blocks.append((at, stored_len))
            else:
                need(not self.blocks, "a frame of pages behind the index")
                self.frames[at] = (stored_len, raw_len)
            at += stored_len
        need(at + length == self.size, "the seek table does not add up to the pack's size")
        need(self.blocks, "the index is not complete")

    def info(self):
        """The manifest that this pack alone would have, its sizes set right."""
        at, length = self.blocks[-1]
        document = json.loads(read_block(self.read(at, length), 0, INFO)[0])
        check_manifest(document)
        if len(document["packs"]) > 1:  # one that repairs another, or replaces some
            pack, *others = document["packs"]
            need({pack["id"], *(other["repaired_by"] for other in others)} == {self.id},
                 "the index is that of another pack")
            pack["size"] = self.size
            return document
        (pack,), (backup,) = document["packs"], document["backups"]
        need(pack["id"] == backup["id"] == self.id, "the index is that of another pack")
        need(backup["packs"] == [0, 1], "the index is about other packs")
        need(pack["size"] == at == backup["stored_bytes"], "the index does not begin where it says")
        pack["size"] = backup["stored_bytes"] = self.size
        return document

    def slots(self):
        """(page number, hash) of every slot."""
        at, length = (self.record["hashes"][key] for key in ("offset", "length"))
        end = self.record["map"]["offset"]
        need(at + length == end and sum(size for where, size in self.blocks
                                        if at <= where < end) == length, "hashes elsewhere")
        data, at, slots = self.read(at, length), 0, []
        while at < len(data):
            payload, at = read_block(data, at, HASHES)
            reader = Varints(payload)
            need(reader.next() == len(slots), "a block of hashes is missing")
            count, numbers, page = reader.next(), [], 0
            need(0 < count <= 65536, "a block of %d hashes", count)
            while len(numbers) < count:
                page += reader.next()
                run = reader.next()
                need(page > 0 and 0 < run <= count - len(numbers), "page numbers out of order")
                numbers.extend(range(page, page + run))
                page += run
            slots.extend((number, reader.bytes(16)) for number in numbers)
            need(reader.at == len(payload), "a block of hashes is too long")
        need(len(slots) == self.record["slots"], "%d slots, not %d", len(slots),
             self.record["slots"])
        return slots

    def places(self, page_size):
        """page number -> place, as in a page map, by the index alone."""
        slots, places, slot = self.slots(), {}, 0
        for offset, (length, raw_len) in sorted(self.frames.items()):
            count = raw_len // page_size
            for i in range(count):
                places[slots[slot + i][0]] = (self.id, offset, length, count, i, slot + i)
            slot += count
        return places

    def map_payload(self):
        where = self.record["map"]
        need((where["offset"], where["length"]) == self.blocks[-2], "the page map is elsewhere")
        return read_block(self.read(where["offset"], where["length"]), 0, MAP)[0]


def read_map(payload, base):
    """page number -> (pack, frame offset, frame length, slots of the frame, slot in it, slot)."""
    reader = Varints(payload)
    kind, page_count = reader.next(), reader.next()
    need(kind == (0 if base is None else 1), "a page map of another kind")
    packs = []
    for _ in range(reader.next()):
        text = reader.bytes(16).hex()
        packs.append("-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:])))
    places = dict(base or {})
    next_page, next_offset, next_slot = 1, 0, 0
    while reader.at < len(payload):
        first = next_page + reader.next()
        count, pack = reader.next(), reader.next()
        offset = reader.signed_from(next_offset)
        length, frame_slot, frame_slots = reader.next(), reader.next(), reader.next()
        slot_base = reader.signed_from(next_slot)
        need(count > 0 and first + count - 1 <= page_count and pack < len(packs) and
             frame_slot + count <= frame_slots, "a run that cannot be")
        for i in range(count):
            places[first + i] = (packs[pack], offset, length, frame_slots, frame_slot + i,
                                 slot_base + frame_slot + i)
        next_page, next_offset = first + count, offset + length
        next_slot = slot_base + frame_slots
    for page in [page for page in places if page > page_count]:
        del places[page]
    need(len(places) == page_count, "%d of %d pages are nowhere", page_count - len(places),
         page_count)
    return places


# --- Database, manifest, backup ------------------------------------------------------------------

def check_manifest(document):
    need(isinstance(document.get("format"), int), "not a manifest")
    need(document["format"] == 1, "format %s is not 1", document["format"])
    need(document["encryption"] == "none", "encrypted with %s", document["encryption"])
    for entry in document["backups"] + document["packs"]:
        need(UUID.fullmatch(entry["id"]), "'%s' is no id", entry["id"])


class Database:
    """One database's objects in a directory store."""

    def __init__(self, store, name, from_packs=False):
        self.dir = os.path.join(store, name)
        self.manifest = self.manifest_of_packs() if from_packs else self.newest_manifest()
        need(self.manifest["database"] == name, "a manifest of another database")
        self.records = {record["id"]: record for record in self.manifest["packs"]}
        self.from_packs = from_packs
        self.packs = {}

    def newest_manifest(self):
        names = [name for name in os.listdir(os.path.join(self.dir, "manifest"))
                 if re.fullmatch(r"[0-9]{10}\.json", name)]
        need(names, "no manifest")
        with open(os.path.join(self.dir, "manifest", max(names)), encoding="utf-8") as file:
            document = json.load(file)
        check_manifest(document)
        need(document["generation"] == int(max(names)[:10]), "the generation is another one")
        return document

    def manifest_of_packs(self):
        whole = None
        for name in os.listdir(os.path.join(self.dir, "packs")):
            if not name.endswith(".zst") or not UUID.fullmatch(name[:-4]):
                continue
            document = Pack(os.path.join(self.dir, "packs", name)).info()
            if whole is None:
                whole = document
                continue
            for key in ("database", "page_hash_seed"):
                need(document[key] == whole[key], "packs differ in '%s'", key)
            for key in ("backups", "packs"):
                whole[key] += document[key]
        need(whole is not None, "no packs")
        # What repairs another pack tells of that one too, and knows better than it does.  Of those
        # that replace it, the one that is not replaced itself.
        replaced = {entry["id"] for entry in whole["packs"] if "replaced_at" in entry}
        for key in ("backups", "packs"):
            whole[key] = list({entry["id"]: entry for entry in sorted(
                whole[key], key=lambda entry: ("repaired_by" in entry, "replaced_at" in entry,
                                               entry.get("repaired_by") not in replaced)
            )}.values())
        # Whose pack was replaced had expired.
        whole["backups"] = sorted((backup for backup in whole["backups"]
                                   if backup["id"] not in replaced),
                                  key=lambda backup: backup["created_at"])
        return whole

    def pack(self, id_):
        if id_ not in self.packs:
            self.packs[id_] = Pack(os.path.join(self.dir, "packs", id_ + ".zst"),
                                   self.records[id_])
        return self.packs[id_]

    def find(self, text):
        backups = self.manifest["backups"]
        if text == "latest":
            found = backups[-1:]
        else:
            found = [backup for backup in backups if backup["id"].startswith(text)]
        need(len(found) == 1, "%d backups are called '%s'", len(found), text)
        return found[0]

    def pack_ids(self, backup):
        """Of the packs that a manifest says a backup needs: pairs of first index and count."""
        numbers, packs = backup["packs"], self.manifest["packs"]
        return [packs[i]["id"] for first, count in zip(numbers[::2], numbers[1::2])
                for i in range(first, first + count)]

    def chain(self, id_):
        """The packs that repair one, each what the one before it and that are damaged in."""
        while "repaired_by" in self.records[id_]:
            id_ = self.records[id_]["repaired_by"]
            yield id_

    def map_payload(self, id_):
        """Of the pack itself, unless one that repairs it says that it is lost."""
        for other in self.chain(id_):
            if self.records[other]["map"]["length"] > 0:
                id_ = other
        return self.pack(id_).map_payload()

    def map_base(self, id_):
        """None where the map is whole, as one is that a pack which repairs this one has."""
        if any(self.records[other]["map"]["length"] > 0 for other in self.chain(id_)):
            return None
        return self.records[id_]["map"].get("base")

    def map(self, backup):
        base_id = self.map_base(backup["id"])
        base = None
        if base_id is not None:
            need(self.map_base(base_id) is None, "a base that has a base")
            base = read_map(self.map_payload(base_id), None)
        return read_map(self.map_payload(backup["id"]), base)

    def repaired(self, places, page_size):
        """The places where pages really are, where some were damaged."""
        where = {id_: [self.pack(other).places(page_size) for other in self.chain(id_)
                       if "replaced_at" not in self.records[other]]
                 for id_ in {place[0] for place in places.values()}}
        repaired = dict(places)
        for page, place in places.items():
            for other in where[place[0]]:
                repaired[page] = other.get(page, repaired[page])
        return repaired

    def restore(self, backup, out, hashes=True):
        page_size, seed = backup["page_size"], int(self.manifest["page_hash_seed"], 16)
        need(backup["size"] == page_size * backup["page_count"], "a size that cannot be")
        places = self.map(backup)
        need(len(places) == backup["page_count"], "a page map of another backup")
        needed = {place[0] for place in places.values()}
        if not self.from_packs:  # which only a manifest tells
            base = {self.records[backup["id"]]["map"].get("base", backup["id"])}
            need(needed | base | {backup["id"]} == set(self.pack_ids(backup)),
                 "the manifest names other packs")
        places = self.repaired(places, page_size)
        needed = {place[0] for place in places.values()}
        total = 0
        for id_ in sorted(needed):
            pack = self.pack(id_)
            slots = pack.slots()
            frames = {}  # offset -> (stored length, slots, [(slot in frame, slot, page)])
            for page, (where, offset, length, count, frame_slot, slot) in places.items():
                if where == id_:
                    frames.setdefault(offset, (length, count, []))[2].append(
                        (frame_slot, slot, page))
            for raw, wanted in self.unpack(pack, frames, page_size):
                for frame_slot, slot, page in wanted:
                    data = raw[frame_slot * page_size:(frame_slot + 1) * page_size]
                    need(slots[slot][0] == page, "slot %d holds page %d, not %d", slot,
                         slots[slot][0], page)
                    if hashes:
                        need(xxh3_128(data, (seed + page) & M64) == slots[slot][1],
                             "the hash of page %d in pack %s is wrong", page, id_)
                    total ^= int.from_bytes(slots[slot][1], "little")
                    out.seek((page - 1) * page_size)
                    out.write(data)
        need(total.to_bytes(16, "little").hex() == backup["database_hash"],
             "the database hash is another one")

    @staticmethod
    def unpack(pack, frames, page_size):
        """Each frame's content, by one zstd for all of them: frames may follow one another."""
        for offset, (length, count, _) in frames.items():
            need(pack.frames.get(offset) == (length, count * page_size),
                 "the seek table knows no such frame at byte %d of pack %s", offset, pack.id)
        with tempfile.TemporaryFile() as errors:
            with subprocess.Popen(["zstd", "-dcq"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=errors) as process:
                def feed():
                    try:
                        for offset in sorted(frames):
                            process.stdin.write(pack.read(offset, frames[offset][0]))
                        process.stdin.close()
                    except BrokenPipeError:
                        pass  # zstd has said why

                thread = threading.Thread(target=feed)
                thread.start()
                for offset in sorted(frames):
                    _, count, wanted = frames[offset]
                    raw = process.stdout.read(count * page_size)
                    if len(raw) != count * page_size:
                        break
                    yield raw, wanted
                rest = process.stdout.read()
                thread.join()
            errors.seek(0)
            need(process.returncode == 0, "zstd: %s", errors.read().decode().strip())
            need(rest == b"", "frames hold more than they say")


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from-packs", action="store_true")
    parser.add_argument("--no-hash", action="store_true")
    for name in ("store", "database", "backup", "output"):
        parser.add_argument(name)
    args = parser.parse_args()
    try:
        database = Database(args.store, args.database, args.from_packs)
        backup = database.find(args.backup)
        with open(args.output, "xb") as out:
            database.restore(backup, out, hashes=not args.no_hash)
    except Damaged as damage:
        sys.exit("reader: %s" % damage)


if __name__ == "__main__":
    main()
