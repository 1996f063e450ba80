"""Draws synthetic scenes, each with the one caption that describes it.

A scene is a pure function of its seed and width. The order of the random draws is part of the format:
another order gives other scenes.

    python scenes.py --check                 compares with ../scenes-vit-gpt2/expected/images, bit for bit
    python scenes.py --sheet sheet.png       eight scenes side by side, captions on stdout
"""

import argparse
import io
import json
import math
import pathlib
import random
import sys
from dataclasses import dataclass

from PIL import Image, ImageDraw

Colour = tuple[int, ...]
Point = tuple[float, float]

COLOURS: dict[str, Colour] = {
    "red": (205, 40, 40),
    "green": (45, 150, 60),
    "blue": (45, 80, 200),
    "yellow": (235, 205, 50),
    "orange": (240, 135, 30),
    "purple": (130, 60, 170),
    "pink": (240, 130, 180),
    "black": (25, 25, 25),
    "white": (245, 245, 245),
    "brown": (120, 75, 40),
}
BACKGROUNDS: dict[str, Colour] = {
    "white": (238, 238, 238),
    "gray": (150, 150, 150),
    "black": (28, 28, 28),
    "sky blue": (150, 200, 235),
    "beige": (225, 210, 175),
    "dark green": (30, 75, 50),
}
TOO_SIMILAR = {  # (shape, background)
    ("white", "white"),
    ("black", "black"),
    ("green", "dark green"),
    ("blue", "sky blue"),
    ("brown", "black"),
    ("yellow", "beige"),
}
SHAPES = ("circle", "square", "triangle", "star", "ring", "cross", "heart", "diamond")
RADII = {"small": (0.095, 0.125), "large": (0.19, 0.235)}  # in widths of the image
OVERSAMPLING = 3

SAMPLES = pathlib.Path(__file__).resolve().parent.parent / "scenes-vit-gpt2" / "expected" / "images"
SAMPLE_SEED, SAMPLE_COUNT, SAMPLE_WIDTHS = 7_000_000, 120, (96, 128, 192, 240)


@dataclass(frozen=True)
class Thing:
    colour: str
    shape: str
    size: str

    @property
    def name(self) -> str:
        return f"{self.size} {self.colour} {self.shape}"


@dataclass
class Brush:
    canvas: ImageDraw.ImageDraw
    fill: Colour
    background: Colour
    tilt: float  # radians


def vary(colour: Colour, rng: random.Random, most: int) -> Colour:
    return tuple(max(0, min(255, channel + rng.randint(-most, most))) for channel in colour)


def polygon(x: float, y: float, radius: float, corners: int, turn: float) -> list[Point]:
    angles = [turn + 2 * math.pi * i / corners for i in range(corners)]
    return [(x + radius * math.sin(a), y - radius * math.cos(a)) for a in angles]


def star(x: float, y: float, radius: float, turn: float) -> list[Point]:
    angles = [turn + 2 * math.pi * i / 10 for i in range(10)]
    reach = [radius if i % 2 == 0 else radius * 0.42 for i in range(10)]
    return [(x + r * math.sin(a), y - r * math.cos(a)) for a, r in zip(angles, reach)]


def heart(x: float, y: float, radius: float) -> list[Point]:
    points = []
    for i in range(48):
        t = 2 * math.pi * i / 48
        across = 16 * math.sin(t) ** 3
        up = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x + across / 16 * radius * 1.1, y - up / 16 * radius * 1.1))
    return points


def diamond(x: float, y: float, radius: float) -> list[Point]:
    high, wide = radius * 1.15, radius * 0.75
    return [(x, y - high), (x + wide, y), (x, y + high), (x - wide, y)]


def bar(x: float, y: float, radius: float, turn: float) -> list[Point]:
    half, reach = radius * 0.34, radius * 1.1
    cos, sin = math.cos(turn), math.sin(turn)
    corners = ((-half, -reach), (half, -reach), (half, reach), (-half, reach))
    return [(x + u * cos - v * sin, y + u * sin + v * cos) for u, v in corners]


def disc(brush: Brush, x: float, y: float, radius: float, fill: Colour) -> None:
    brush.canvas.ellipse([x - radius, y - radius, x + radius, y + radius], fill=fill)


def outlines(shape: str, x: float, y: float, radius: float, tilt: float) -> list[list[Point]]:
    """Polygons of the shapes that have corners."""
    match shape:
        case "square":
            return [polygon(x, y, radius * 1.2, 4, math.pi / 4 + tilt)]
        case "triangle":
            return [polygon(x, y, radius * 1.2, 3, tilt)]
        case "star":
            return [star(x, y, radius * 1.2, tilt)]
        case "diamond":
            return [diamond(x, y, radius)]
        case "cross":
            return [bar(x, y, radius, tilt), bar(x, y, radius, tilt + math.pi / 2)]
        case "heart":
            return [heart(x, y, radius)]
    raise ValueError(shape)


def draw_shape(brush: Brush, shape: str, x: float, y: float, radius: float) -> None:
    if shape in ("circle", "ring"):
        disc(brush, x, y, radius, brush.fill)
        if shape == "ring":
            disc(brush, x, y, radius * 0.52, brush.background)
        return
    for outline in outlines(shape, x, y, radius, brush.tilt):
        brush.canvas.polygon(outline, fill=brush.fill)


def choose_things(count: int, background: str, rng: random.Random) -> list[Thing]:
    things: list[Thing] = []
    while len(things) < count:
        colour = rng.choice(list(COLOURS))
        if (colour, background) in TOO_SIMILAR:
            continue
        shape = rng.choice(SHAPES)
        thing = Thing(colour, shape, rng.choice(list(RADII)))
        if not things or (colour, shape) != (things[0].colour, things[0].shape):
            things.append(thing)
    return things


def place_one(thing: Thing, side: int, rng: random.Random) -> list[tuple[float, float, float]]:
    radius = rng.uniform(*RADII[thing.size]) * side
    x = rng.uniform(radius * 1.25, side - radius * 1.25)
    y = rng.uniform(radius * 1.25, side - radius * 1.25)
    return [(x, y, radius)]


def place_two(
    things: list[Thing], relation: str, side: int, rng: random.Random
) -> list[tuple[float, float, float]]:
    radii = [rng.uniform(*RADII[thing.size]) * side for thing in things]
    along = [rng.uniform(0.24, 0.30) * side, rng.uniform(0.70, 0.76) * side]
    across = [side / 2 + rng.uniform(-0.08, 0.08) * side for _ in things]
    if relation == "above":
        along, across = across, along
    return list(zip(along, across, radii))


def with_article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def caption_of(things: list[Thing], relation: str, background: str) -> str:
    joint = {"left": " to the left of ", "above": " above ", "": ""}[relation]
    names = joint.join(with_article(thing.name) for thing in things)
    return f"{names} on {with_article(background)} background"


def scene(seed: int, width: int = 96, oversampling: int = OVERSAMPLING) -> tuple[Image.Image, str]:
    """A square RGB image of `width` pixels, and its caption."""
    rng = random.Random(seed)
    background = rng.choice(list(BACKGROUNDS))
    ground = vary(BACKGROUNDS[background], rng, 8)
    side = width * oversampling
    image = Image.new("RGB", (side, side), ground)
    things = choose_things(1 if rng.random() < 0.3 else 2, background, rng)
    relation = rng.choice(["left", "above"]) if len(things) == 2 else ""
    places = place_two(things, relation, side, rng) if relation else place_one(things[0], side, rng)
    canvas = ImageDraw.Draw(image)
    for thing, (x, y, radius) in zip(things, places):
        fill = vary(COLOURS[thing.colour], rng, 14)
        brush = Brush(canvas, fill, ground, tilt=rng.uniform(-0.18, 0.18))
        draw_shape(brush, thing.shape, x, y, radius)
    return image.resize((width, width), Image.Resampling.LANCZOS), caption_of(things, relation, background)


def sample(index: int) -> tuple[str, Image.Image, str]:
    """File name, image and caption of one sample: widths alternate, some are 4:3, every fifth is a JPEG."""
    width = SAMPLE_WIDTHS[index % len(SAMPLE_WIDTHS)]
    image, caption = scene(SAMPLE_SEED + index, width)
    if index % 7 == 3:
        image = image.resize((width, int(width * 0.75)))
    return f"scene_{index:03d}." + ("jpg" if index % 5 == 4 else "png"), image, caption


def encode(name: str, image: Image.Image) -> bytes:
    out = io.BytesIO()
    if name.endswith(".jpg"):
        image.save(out, "JPEG", quality=92)
    else:
        image.save(out, "PNG", optimize=True)
    return out.getvalue()


def same_pixels(first: bytes, second: bytes) -> bool:
    images = [Image.open(io.BytesIO(data)).convert("RGB") for data in (first, second)]
    return images[0].size == images[1].size and images[0].tobytes() == images[1].tobytes()


def check(folder: pathlib.Path) -> bool:
    """Whether pixels and captions equal those in `folder`; also counts files equal byte for byte."""
    truth = json.loads((folder / "truth.json").read_text())
    reference = json.loads((folder / "captions.json").read_text())
    names, faults, equal_files = [], [], 0
    for index in range(SAMPLE_COUNT):
        name, image, caption = sample(index)
        names.append(name)
        data, stored = encode(name, image), (folder / name).read_bytes()
        equal_files += data == stored
        if not same_pixels(data, stored):
            faults.append(f"{name}: other pixels")
        if caption != truth.get(name) or caption != reference.get(name):
            faults.append(f"{name}: other caption: {caption}")
    stored_names = {path.name for path in folder.glob("scene_*")}
    if stored_names != set(names) or set(truth) != set(names) or set(reference) != set(names):
        faults.append("the folder holds other names")
    print("\n".join(faults + [f"{SAMPLE_COUNT} scenes, {equal_files} equal files, {len(faults)} faults"]))
    return not faults


def draw_sheet(path: pathlib.Path, side: int = 192) -> None:
    sheet = Image.new("RGB", (side * 4, side * 2))
    for index in range(8):
        image, caption = scene(10**6 + index, side)
        sheet.paste(image, (side * (index % 4), side * (index // 4)))
        print(caption)
    sheet.save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Synthetic scenes with captions")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare with the samples of the embedded model")
    what.add_argument("--sheet", type=pathlib.Path, help="write eight scenes to this file")
    arguments = parser.parse_args()
    if arguments.check:
        return 0 if check(SAMPLES) else 1
    draw_sheet(arguments.sheet)
    return 0


if __name__ == "__main__":
    sys.exit(main())
