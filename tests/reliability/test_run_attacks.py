"""Hostile weights, scalers, settings and records, and things that are not plain files."""

import json
import os
import random
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from seqcast.run.record import FORMAT_VERSION
from tests.reliability.attacks import Attack, bounded, change_record, predict, sign, survive
from tests.reliability.hazards import expect
from tests.running import Trained

MODEL, CONFIG, RECORD, SCALERS = "model.safetensors", "config.toml", "run.json", "scalers.joblib"
Tensors = dict[str, Any]


def bytes_of(name: str, spoil: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Change the bytes of a file, and its checksum in run.json."""

    def carry_out(run: Path) -> None:
        (run / name).write_bytes(spoil((run / name).read_bytes()))
        sign(run)

    return carry_out


def tensors(change: Callable[[Tensors], object]) -> Callable[[Path], None]:
    """Change the tensors of the model."""

    def spoil(data: bytes) -> bytes:
        weights = load(data)
        change(weights)
        return save(weights)

    return bytes_of(MODEL, spoil)


def header(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Change the header of the model, and keep its numbers."""

    def spoil(data: bytes) -> bytes:
        size = struct.unpack("<Q", data[:8])[0]
        found = json.loads(data[8 : 8 + size])
        change(found)
        text = json.dumps(found).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + size :]

    return bytes_of(MODEL, spoil)


def first(found: dict[str, Any]) -> dict[str, Any]:
    name = next(name for name in sorted(found) if name != "__metadata__")
    part: dict[str, Any] = found[name]
    return part


def with_values(
    values: dict[str, object], part: Callable[[dict[str, Any]], dict[str, Any]] = lambda found: found
) -> Callable[[dict[str, Any]], object]:
    return lambda found: part(found).update(values)


def weights_with(value: float) -> Callable[[Tensors], None]:
    def change(weights: Tensors) -> None:
        name = max(weights, key=lambda name: weights[name].size)
        weights[name] = weights[name].copy()
        weights[name].ravel()[0] = value

    return change


def fill(weights: Tensors, part: str, value: float) -> None:
    for name in weights:
        if part in name and not name.startswith("scalers."):
            weights[name] = np.full_like(weights[name], value)


def largest_head(weights: Tensors) -> None:
    """All attentional states are near 1, or all near -1, so that the sum is beyond every number."""
    fill(weights, "head", 3.4e38)
    fill(weights, ".combine.", 1000.0)


def rename(weights: Tensors) -> None:
    weights["\x1b[31mred"] = weights.pop(next(iter(weights)))


def as_type(kind: Any) -> Callable[[Tensors], None]:
    return lambda weights: weights.update({name: value.astype(kind) for name, value in weights.items()})


def text(old: str, new: str) -> Callable[[Path], None]:
    """Replace a text in config.toml."""

    def spoil(data: bytes) -> bytes:
        assert old in data.decode()
        return data.decode().replace(old, new, 1).encode()

    return bytes_of(CONFIG, spoil)


def record(*path: Any, value: object) -> Callable[[Path], None]:
    """Replace one value in run.json."""

    def change(found: dict[str, Any]) -> None:
        part: Any = found
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = value

    return lambda run: change_record(run, change)


def without_checksum(name: str) -> Callable[[Path], None]:
    return lambda run: change_record(run, lambda found: found["files"].pop(name))


def raw(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda run: (run / name).write_bytes(data) and None


def sized(number: int) -> bytes:
    """The length of a header, as safetensors writes it."""
    return struct.pack("<Q", number)


TENSOR = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'
BYTES: dict[str, Callable[[bytes], bytes]] = {
    "a header longer than the file": lambda data: sized(10**6) + data[8:],
    "a header of 2^60 bytes": lambda data: sized(2**60) + data[8:],
    "an empty header": lambda _: sized(0),
    "a header that is no JSON": lambda data: data[:8] + b"x" + data[9:],
    "a header that is a list": lambda _: sized(2) + b"[]",
    "a header nested deeply": lambda _: sized(200_000) + b"[" * 200_000,
    "half of the weights": lambda data: data[: len(data) // 2],
    "bytes behind the weights": lambda data: data + b"\0" * 16,
    "no weights": lambda _: b"",
    "a zip archive of torch": lambda _: b"PK\x03\x04" + b"\0" * 500,
    "a pickle for weights": lambda _: b"\x80\x04cposix\nsystem\n(S'touch marker'\ntR.",
}
OTHER_TENSORS: dict[str, Callable[[bytes], bytes]] = {
    "a header without tensors": lambda _: sized(2) + b"{}",
    "one name twice": lambda _: sized(108) + f"{{{TENSOR},{TENSOR}}}".encode().ljust(108) + b"\0" * 4,
}
OF_FIRST_TENSOR: dict[str, dict[str, object]] = {
    "offsets that overlap": {"data_offsets": [0, 16]},
    "offsets behind the file": {"data_offsets": [10**12, 10**12 + 16]},
    "offsets that run backwards": {"data_offsets": [16, 0]},
    "negative offsets": {"data_offsets": [-16, 0]},
    "a negative shape": {"shape": [-1]},
    "a shape as big as the world": {"shape": [2**40, 2**40]},
    "a type nobody knows": {"dtype": "OBJECT"},
}
OF_HEADER: dict[str, dict[str, object]] = {
    "a huge shape of nothing": {"zz": {"dtype": "F32", "shape": [2**40, 0], "data_offsets": [0, 0]}},
    "metadata that are no texts": {"__metadata__": {"a": {"b": 1}}},
}
WEIGHTS: tuple[tuple[str, Callable[[Tensors], object], str], ...] = (
    ("weights that are NaN", weights_with(float("nan")), "not finite"),
    ("weights that are infinite", weights_with(float("-inf")), "not finite"),
    ("a tensor less", lambda weights: weights.pop(next(iter(weights))), "do not fit"),
    ("a tensor more", lambda weights: weights.update(extra=np.zeros(1, np.float32)), "extra"),
    ("a renamed tensor", rename, "do not fit"),
    ("many more tensors", lambda found: found.update({f"x{i}": np.zeros(1) for i in range(20_000)}), "do not fit"),
    ("weights of 64 bits", as_type(np.float64), "do not fit"),
    ("weights of 16 bits", as_type(np.float16), "do not fit"),
    ("weights that are whole numbers", as_type(np.int32), "do not fit"),
    ("weights of another shape", lambda found: found.update({k: v.ravel() for k, v in found.items()}), "do not fit"),
    ("the largest weights", lambda weights: fill(weights, "", 3.4e38), "shares"),
    ("a head of the largest weights", largest_head, "not finite"),
    ("no shares", lambda weights: fill(weights, "shares", 0.0), "shares"),
    ("negative shares", lambda weights: fill(weights, "shares", -1.0), "shares"),
    ("naive shares above one", lambda weights: fill(weights, "naive_shares", 0.5), "shares"),
)
BY_WEIGHTS = [
    *(Attack(name, bytes_of(MODEL, spoil), (MODEL, "damaged")) for name, spoil in BYTES.items()),
    *(Attack(name, bytes_of(MODEL, spoil), (MODEL, "do not fit")) for name, spoil in OTHER_TENSORS.items()),
    *(Attack(name, header(with_values(values, first)), (MODEL,)) for name, values in OF_FIRST_TENSOR.items()),
    *(Attack(name, header(with_values(values)), (MODEL,)) for name, values in OF_HEADER.items()),
    *(Attack(name, tensors(change), (MODEL, word)) for name, change, word in WEIGHTS),
]


def scalers(name: str, change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Replace one tensor of the scalers."""
    return tensors(lambda found: found.update({f"scalers.{name}": change(found[f"scalers.{name}"])}))


def filled(value: float) -> Callable[[Any], Any]:
    return lambda found: np.full_like(found, value)


NAMES = "known.categories.0"
BY_SCALERS = [
    Attack(name, scalers(tensor, change), (MODEL, word))
    for name, tensor, change, word in (
        ("a scale of zero", "target.scale", filled(0), "not greater than zero"),
        ("a negative scale", "target.scale", filled(-1), "not greater than zero"),
        ("a scale that is NaN", "target.scale", filled(np.nan), "not finite"),
        ("a mean that is infinite", "known.mean", filled(np.inf), "not finite"),
        ("a negative variance", "known.variance", filled(-1), "negative"),
        ("a variance that is NaN", "known.variance", filled(np.nan), "not finite"),
        ("a negative count", "target.count", filled(-1), "negative"),
        ("a mean of another length", "target.mean", lambda _: np.zeros(3), "do not fit"),
        ("a mean of two axes", "target.mean", lambda found: found[:, None], "do not fit"),
        ("a mean of 32 bits", "target.mean", lambda found: found.astype(np.float32), "do not fit"),
        ("categories out of order", NAMES, lambda found: found[::-1].copy(), "not in order"),
        ("one category twice", NAMES, lambda found: found[[0, 1, 1]], "not in order"),
        ("one category more", NAMES, lambda found: np.pad(found, ((0, 1), (0, 0))), "do not fit"),
        ("categories without letters", NAMES, lambda found: found[:, :0], "not 0"),
        ("categories beyond Unicode", NAMES, filled(0x110000), "not Unicode"),
        ("categories of 20,000 letters", NAMES, lambda _: np.zeros((3, 20_000), np.int32), "1 to 10,000 letters"),
        ("categories as wide as the world", NAMES, lambda found: np.zeros((3, 2**23), np.int32), "too large"),
    )
]
BY_SCALERS += [
    Attack("a part of the scalers less", tensors(lambda found: found.pop("scalers.past.mean")), (MODEL, "do not fit")),
    Attack("a role of the scalers more", tensors(with_values({"scalers.x.mean": np.zeros(1)})), (MODEL,)),
]

BY_SETTINGS = [
    Attack("a width of a billion", text("hidden = 4", "hidden = 1000000000"), (CONFIG, "hidden")),
    Attack("the greatest width allowed", text("hidden = 4", "hidden = 4096"), (MODEL, "do not fit")),
    Attack("a negative width", text("hidden = 4", "hidden = -4"), (CONFIG, "hidden")),
    Attack("a width that is a text", text("hidden = 4", 'hidden = "4x"'), (CONFIG, "hidden")),
    Attack("a width that is true", text("hidden = 4", "hidden = 4.5"), (CONFIG, "hidden")),
    Attack("a width of 5,000 digits", text("hidden = 4", "hidden = " + "9" * 5000), (CONFIG,)),
    Attack("a zone elsewhere", text("utc = false", 'utc = false\ntimezone = "../../../etc/passwd"'), ("time zone",)),
    Attack("a million layers", text("layers = 1", "layers = 1000000"), (CONFIG, "layers")),
    Attack("eight layers", text("layers = 1", "layers = 8"), (MODEL, "do not fit")),
    Attack("dropout that is NaN", text("dropout = 0.1", "dropout = nan"), (CONFIG, "dropout")),
    Attack("a horizon of a billion", text("horizon = 3", "horizon = 1000000000"), (CONFIG, "horizon")),
    Attack("a million quantiles", text("quantiles = [", f"quantiles = [{'0.001, ' * 10**6}"), (CONFIG, "too large")),
    Attack("a thousand quantiles", text("quantiles = [", f"quantiles = [{'0.001, ' * 1_000}"), (CONFIG, "quantiles")),
    Attack("quotes without end", text('"y",', '"' + '\\"' * 150_000), (CONFIG,)),
    Attack(
        "many keys of many parts",
        text("hidden = 4", "\n".join(".".join("a" * 90) + f"{i} = 1" for i in range(20_000))),
        (CONFIG, "more than 10 parts"),
    ),
    Attack(
        "300,000 keys", text("hidden = 4", "\n".join(f"a{i}=1" for i in range(300_000))), (CONFIG, "more parts than")
    ),
    Attack("a million tables", text("hidden = 4", "x = [" + "{a=1}," * 600_000 + "]"), (CONFIG, "more parts than")),
    Attack("numbers for names of columns", text('"y",', "1," * 100_000), (CONFIG, "target.0")),
    Attack("a key nobody knows", text("hidden = 4", "hidden = 4\n__class__ = 1"), (CONFIG,)),
    Attack("a key with escapes", text("hidden = 4", 'hidden = 4\n"\\u001b[31m" = 1'), (CONFIG,)),
    Attack("a key twice", text("hidden = 4", "hidden = 4\nhidden = 4"), (CONFIG,)),
    Attack("arrays nested deeply", text("hidden = 4", "hidden = " + "[" * 100_000), (CONFIG,)),
    Attack("tables nested deeply", text("hidden = 4", "a" + ".a" * 50_000 + " = 1"), (CONFIG,)),
    Attack("a score nobody knows", text('score = "general"', 'score = "__import__"'), (CONFIG, "score")),
    Attack("a device nobody knows", text('device = "auto"', 'device = "cuda:0; touch marker"'), (CONFIG, "device")),
    Attack("settings that are no TOML", bytes_of(CONFIG, lambda _: b"hello"), (CONFIG,)),
    Attack("settings that are no text", bytes_of(CONFIG, lambda _: b"\xff\xfe\x00"), (CONFIG,)),
    Attack("settings with NUL", bytes_of(CONFIG, lambda data: data + b"\0"), (CONFIG,)),
    Attack("no settings", bytes_of(CONFIG, lambda _: b""), ()),
]


def greatest_sizes(run: Path) -> None:
    for name, size in (("horizon", 3), ("context", 12)):
        text(f"{name} = {size}", f"{name} = 100000")(run)
    change_record(run, lambda found: found["shape"].update(horizon=100_000, context=100_000))


def many_networks(run: Path) -> None:
    text("ensemble = 1", "ensemble = 64")(run)
    columns = dict.fromkeys(("known_categories", "past_categories", "static_categories"), [2] * 1000)
    change_record(
        run, lambda found: (found["result"].update(num_members=65, linear_share=0.5), found["shape"].update(columns))
    )


def unvouched(run: Path) -> None:
    (run / RECORD).write_text((run / RECORD).read_text().replace('"price"', '"prize"'))


def objects(text: str) -> bytes:
    return f'{{"format_version": {FORMAT_VERSION}, {text}}}'.encode()


OPTIONS_DO_NOT_FIT = "run.json or config.toml does not fit"
BY_RECORD = [
    Attack("a key twice", raw(RECORD, objects('"a": 1, "a": 1')), (RECORD, "a key twice")),
    Attack("NaN", raw(RECORD, objects('"num_threads": NaN')), (RECORD, "NaN is no number")),
    Attack("ten million lists", raw(RECORD, objects('"a": [' + "[]," * 10_000_000 + "1]")), (RECORD, "more parts")),
    Attack("a million objects", raw(RECORD, objects('"a": [' + '{"":{}},' * 1_000_000 + "1]")), (RECORD, "more parts")),
    Attack("a million keys", raw(RECORD, objects(",".join(f'"{i}": 1' for i in range(10**6)))), (RECORD, "more parts")),
    Attack("2,000 keys", raw(RECORD, objects(",".join(f'"{i}": 1' for i in range(2000)))), (RECORD, "more than 1,000")),
    Attack("a hundred megabytes", raw(RECORD, objects('"a": [' + "1," * 50_000_000 + "1]")), (RECORD, "too large")),
    Attack("numbers for names", record("series_ids", value=[1] * 1_000_000), (RECORD, "series_ids.0")),
    Attack("notices without number", record("notices", value=["repair: x"] * 500_000), (RECORD, "notices")),
    Attack("finished without a result", record("result", value=None), (RECORD, "has no result")),
    Attack("a record that is no JSON", raw(RECORD, b"hello"), (RECORD, "not JSON")),
    Attack("a record that is a list", raw(RECORD, b"[]"), (RECORD, "not a JSON object")),
    Attack("an empty record", raw(RECORD, b""), (RECORD, "not JSON")),
    Attack("an empty object", raw(RECORD, b"{}"), (RECORD,)),
    Attack("a record nested deeply", raw(RECORD, b"[" * 200_000), (RECORD, "not JSON")),
    Attack("a record nested deeply by objects", raw(RECORD, b'{"a":' * 200_000), (RECORD,)),
    Attack("a record that is no text", raw(RECORD, b"\xff" * 99), (RECORD, "not JSON")),
    Attack("a number of 10,000 digits", raw(RECORD, b'{"format_version": ' + b"9" * 10_000 + b"}"), (RECORD,)),
    Attack("a newer format", record("format_version", value=99), ("newer", "Update seqcast")),
    Attack("an older format", record("format_version", value=1), (RECORD, "run format 1 is older", "Train again")),
    Attack("format zero", record("format_version", value=0), (RECORD, "format")),
    Attack("a negative format", record("format_version", value=-1), (RECORD, "format")),
    Attack("a format that is true", record("format_version", value=True), (RECORD, "format")),
    Attack("a format that is a text", record("format_version", value="1"), (RECORD, "format")),
    Attack("a key nobody knows", record("__class__", value=1), (RECORD, "damaged at '__class__'")),
    Attack("a key nobody knows in a part", record("shape", "surprise", value=1), (RECORD, "shape.surprise")),
    Attack("a key with escapes", record("\x1b[31m", value=1), (RECORD,)),
    Attack("a horizon of a billion", record("shape", "horizon", value=10**9), (RECORD, "horizon")),
    Attack("another horizon", record("shape", "horizon", value=4), (RECORD, "contradicts config.toml in the horizon")),
    Attack("the greatest context", record("shape", "context", value=100_000), (RECORD, "the context")),
    Attack("the greatest horizon and context", greatest_sizes, (MODEL, "do not fit")),
    Attack("65 networks", record("result", "num_members", value=65), (RECORD, "number of networks")),
    Attack("65 networks of 3,000 columns", many_networks, (MODEL, "do not fit")),
    Attack("a negative context", record("shape", "context", value=-1), (RECORD, "context")),
    Attack("inputs without number", record("shape", "num_known", value=10_000), (MODEL, "do not fit")),
    Attack("fewer inputs than the calendar has", record("shape", "num_known", value=0), (MODEL, "do not fit")),
    Attack("10**12 categories", record("shape", "static_categories", value=[10**12]), (RECORD, "static")),
    Attack("categories without number", record("shape", "known_categories", value=[10**7] * 3), (MODEL, "do not fit")),
    Attack("columns without number", record("shape", "known_categories", value=[2] * 1_000_000), (RECORD,)),
    Attack("ten thousand columns", record("shape", "known_categories", value=[2] * 10_000), (RECORD, "categories")),
    Attack("a thousand columns", record("shape", "known_categories", value=[2] * 1_000), (MODEL,)),
    Attack("keys of many parts in an inline table", text("hidden = 4", "x = {a" + ".a" * 50_000 + " = 1}"), (CONFIG,)),
    Attack("settings of 100 MB", bytes_of(CONFIG, lambda data: data + b"#" * 10**8), (CONFIG, "too large")),
    Attack("a season of zero", record("shape", "season", value=0), (RECORD, "season")),
    Attack("infinity", record("result", "seconds", value=float("inf")), (RECORD, "Infinity is no number")),
    Attack("half a character", record("device", value="\ud800"), (), 0),
    Attack("series without number", record("series_ids", value=["x"] * 500_000), (MODEL, "scalers.target.count")),
    Attack("no series", record("series_ids", value=[]), ()),
    Attack("a frequency nobody knows", record("frequency", value="'; touch marker"), (RECORD, "is no frequency")),
    Attack("a frequency without end", record("frequency", value="9" * 4000 + "h"), ()),
    Attack("another frequency", record("frequency", value="MS"), (RECORD, "the frequency")),
    Attack("a table in a system folder", record("data", "path", value="/etc/passwd"), (), 3),
    Attack("a table that is a device", record("data", "path", value="/dev/zero"), ("is not there",)),
    Attack("a table that is standard input", record("data", "path", value="-"), ("is not there",)),
    Attack("a table that is a folder of devices", record("data", "path", value="/dev"), ("/dev/",), 3),
    Attack("a table named with NUL", record("data", "path", value="a\0b"), ()),
    Attack("a table named with escapes", record("data", "path", value="\x1b[31mred\u202e"), ("is not there",)),
    Attack("a table with an endless name", record("data", "path", value="x" * 100_000), ()),
    Attack("statics that are a device", record("data", "static_path", value="/dev/zero"), ("is not there",)),
    *(
        Attack(f"a {name} that is none", record("data", "read_options", name, value=value), (OPTIONS_DO_NOT_FIT,))
        for name, value in (
            *(("encoding", "hex"), ("delimiter", "touch marker")),
            ("time_format", "%Q" * 1000),
        )
    ),
    Attack("a checksum of another file", record("files", MODEL, value="0" * 64), (MODEL, "checksum")),
    Attack("no checksum of the weights", without_checksum(MODEL), ("is said to be finished, but has no result",)),
    Attack("no checksum of the scalers", without_checksum(SCALERS), code=0),
    Attack("a checksum of a file elsewhere", record("files", "../../etc/passwd", value="0" * 64), (), 0),
    Attack("a change that is not vouched for", unvouched, (RECORD, "checksum is not that of its content")),
    Attack("other columns", record("columns", "target", value=["x" * 1000]), (RECORD, "the target columns")),
    Attack("a time with escapes", record("columns", "time", value="\x1b[31m"), (RECORD, "the time columns")),
    Attack("an id with escapes", record("columns", "id", value="\x1b[31m"), (RECORD, "the id column")),
]


def in_place_of(name: str, make: Callable[[Path], object]) -> Callable[[Path], None]:
    def carry_out(run: Path) -> None:
        (run / name).unlink()
        make(run / name)

    return carry_out


def socket_at(path: Path) -> None:
    listening = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    os.chdir(path.parent)  # the name of a socket is short
    try:
        listening.bind(path.name)
    finally:
        os.chdir(here)
        listening.close()


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


KINDS: dict[str, Callable[[Path], object]] = {
    "a link to it": lambda path: path.with_name("." + path.name).write_bytes(b"x") and path.symlink_to("." + path.name),
    "a link to a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nothing"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a socket": socket_at,
    "a terabyte": sparse,
    "nothing at all": lambda path: None,
}
BY_FILES = [
    Attack("a header of 100 MB", bytes_of(MODEL, lambda _: sized(10**8) + b" " * 10**8), (MODEL, "too large")),
    Attack("weights of three gigabytes", lambda run: os.truncate(run / MODEL, 3 * 2**30), (MODEL, "too large")),
    *(
        Attack(f"{kind} for {name}", in_place_of(name, make), *(((), 0) if name == SCALERS else ((name,), 4)))
        for name in (RECORD, CONFIG, MODEL, SCALERS)
        for kind, make in KINDS.items()
    ),
]


@pytest.mark.parametrize(
    "attack", [*BY_WEIGHTS, *BY_SCALERS, *BY_SETTINGS, *BY_RECORD, *BY_FILES], ids=lambda attack: attack.name
)
def test_an_attack_by_a_run_directory_is_refused_or_has_no_effect(
    attack: Attack, shops: Trained, in_tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    survive(attack, shops, tmp_path_factory.mktemp("attack"))


@pytest.mark.parametrize("command", [("runs", "show"), ("runs", "verify"), ("inspect", "--run"), ("backtest", "--run")])
@pytest.mark.parametrize(
    "attack",
    [BY_RECORD[0], BY_RECORD[5], BY_RECORD[24], BY_RECORD[15], BY_FILES[2], BY_FILES[6]],
    ids=lambda attack: attack.name,
)
def test_every_command_refuses_a_spoilt_record(
    command: tuple[str, ...], attack: Attack, shops: Trained, tmp_path: Path
) -> None:
    run = shops.copied(tmp_path)
    attack.carry_out(run)
    expect(bounded(*command, run), 4, [])


def test_a_record_that_is_shown_cannot_write_to_the_terminal(shops: Trained, tmp_path: Path) -> None:
    run = shops.copied(tmp_path)
    for path in (("created",), ("data", "path"), ("program_version",), ("columns", "time"), ("data", "first_time")):
        record(*path, value="\x1b]0;owned\x07[bold]\u202e")(run)
    assert "\\x1b]0;owned\\x07[bold]" in bounded("runs", "show", run).out


@pytest.mark.parametrize("flips", [12, pytest.param(200, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", [RECORD, CONFIG, MODEL])
def test_flipped_bytes_are_named_or_harmless(name: str, flips: int, shops: Trained, tmp_path: Path) -> None:
    run, dice = shops.copied(tmp_path), random.Random(name)
    whole, honest = (run / name).read_bytes(), predict(shops.run, shops)
    for _ in range(flips):
        flip_one(run / name, whole, dice)
        ran = predict(run, shops)
        if ran.code == 0:
            assert ran.out == honest.out
        else:
            expect(ran, 4, [name])


def flip_one(path: Path, whole: bytes, dice: random.Random) -> None:
    spoilt = bytearray(whole)
    spoilt[dice.randrange(len(whole))] ^= 1 << dice.randrange(8)
    path.write_bytes(spoilt)
