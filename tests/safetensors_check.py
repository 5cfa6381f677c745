#!/usr/bin/env python3
"""safetensors_check.py FILE - an independent reader of checkpoints: the safetensors format by its published rules, then
libhogwild's document and checksum by docs/formats.md. Needs Python alone; where PyTorch is there its tensors are made
of the same bytes, too. Prints what it found; exit status 1 and a sentence where a rule is broken."""
import json
import struct
import sys
import zlib

SIZES = {"BOOL": 1, "U8": 1, "I8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8,
         "I64": 8, "U64": 8}


def rule(good, sentence):
    if not good:
        sys.exit(f"{sys.argv[1]}: {sentence}")


def no_duplicates(pairs):
    rule(len({k for k, _ in pairs}) == len(pairs), "a JSON key occurs twice")
    return dict(pairs)


def parse(text):
    return json.loads(text, object_pairs_hook=no_duplicates, parse_constant=lambda c: rule(False, f"{c} is no JSON"))


def whole(x):
    return isinstance(x, int) and not isinstance(x, bool) and 0 <= x < 2**64


def tensors_of(header, data):
    """The format's own rules."""
    end = 0
    for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        rule(set(t) == {"dtype", "shape", "data_offsets"}, f"{name}: its keys are {sorted(t)}")
        rule(t["dtype"] in SIZES, f"{name}: dtype {t['dtype']}")
        rule(all(whole(x) for x in t["shape"] + t["data_offsets"]) and len(t["data_offsets"]) == 2, f"{name}: numbers")
        count = 1
        for x in t["shape"]:
            count *= x
            rule(count < 2**64, f"{name}: its shape overflows")
        begin, stop = t["data_offsets"]
        rule(begin == end, f"{name}: a hole or an overlap at {begin}")
        rule(stop - begin == count * SIZES[t["dtype"]], f"{name}: {stop - begin} bytes for shape {t['shape']}")
        rule(begin % SIZES[t["dtype"]] == 0, f"{name}: not aligned")
        end = stop
    rule(end == len(data), f"{len(data)} bytes of data, of which tensors name {end}")


def checksum(file, at):
    """docs/formats.md: CRC-32, then 64 bits, with the digits themselves as zeros."""
    file = file[:at] + b"0" * 24 + file[at + 24:]
    mask, mix = 2**64 - 1, 0x6A09E667F3BCC908
    words = file + bytes(8 - len(file) % 8)  # the last word is one of zeros where nothing is left
    for (word,) in list(struct.iter_unpack("<Q", words)) + [(len(file),)]:
        mix ^= word
        mix = ((mix << 29 | mix >> 35) & mask) * 0x9E3779B97F4A7C15 & mask
    mix ^= mix >> 32
    return f"{zlib.crc32(file):08x}{mix:016x}"


def values_of(text):
    document = parse(text)
    rule(set(document) == {"version", "numbers", "reals", "texts"}, f"the document's keys are {sorted(document)}")
    rule(document["version"] == 1, f"version {document['version']}")
    values = {}
    for name, digits in document["numbers"].items():
        rule(digits.isdecimal() and str(int(digits)) == digits and int(digits) < 2**64, f"{name}: {digits}")
        values[name] = int(digits)
    for name, (bits, decimal) in document["reals"].items():
        rule(len(bits) == 16, f"{name}: {bits}")
        values[name] = struct.unpack(">d", bytes.fromhex(bits))[0]
        same = decimal is not None and struct.pack(">d", decimal).hex() == bits
        rule(same or (decimal is None and values[name] - values[name] != 0), f"{name}: {bits} is not {decimal}")
    for name, value in document["texts"].items():
        values[name] = value if isinstance(value, str) else bytes.fromhex(value["hex"])
    rule(sum(len(document[kind]) for kind in ("numbers", "reals", "texts")) == len(values), "a name occurs twice")
    return values


def with_torch(header, data):
    try:
        import torch
    except ImportError:
        return 0
    types = {"F32": torch.float32, "F64": torch.float64, "U8": torch.uint8}
    made = 0
    for name, t in header.items():
        begin, end = t["data_offsets"]
        if t["dtype"] not in types or begin == end:
            continue
        tensor = torch.frombuffer(bytearray(data[begin:end]), dtype=types[t["dtype"]]).reshape(t["shape"])
        rule(tensor.numpy().tobytes() == data[begin:end], f"{name}: torch has other bytes")
        made += 1
    return made


def main():
    with open(sys.argv[1], "rb") as f:
        file = f.read()
    rule(len(file) >= 8, "no length")
    (n,) = struct.unpack("<Q", file[:8])
    rule(n <= 100_000_000 and 8 + n <= len(file), f"a header of {n} bytes in a file of {len(file)}")
    rule((8 + n) % 8 == 0, "the data is not aligned")
    text = file[8:8 + n].decode("utf-8")
    rule(text.startswith("{") and text.rstrip(" ").endswith("}"), "the header is no object, filled up with spaces")
    header, data = parse(text), file[8 + n:]
    metadata = header.pop("__metadata__")
    rule(all(isinstance(v, str) for v in metadata.values()), "metadata other than text")
    tensors_of(header, data)
    rule(set(metadata) == {"checksum", "hogwild"}, f"the metadata's keys are {sorted(metadata)}")
    at = file.index(b'"checksum":"') + len('"checksum":"')
    rule(at == 8 + 29, f"the checksum stands at {at}")
    rule(checksum(file, at) == metadata["checksum"], f"checksum {checksum(file, at)}, not {metadata['checksum']}")
    values = values_of(metadata["hogwild"])
    rule(not set(values) & set(header), "a name occurs twice")
    print(f"{sys.argv[1]}: {len(header)} tensors, {with_torch(header, data)} of them also with torch, {len(values)} values")


main()
