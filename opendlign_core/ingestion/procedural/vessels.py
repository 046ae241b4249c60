"""Things that hold liquids: surfaces of revolution that differ by profile, handle and spout."""

from __future__ import annotations

import numpy as np

from opendlign_core.ingestion.procedural.paint import Paint
from opendlign_core.ingestion.procedural.parts import ear_handle, shell
from opendlign_core.ingestion.procedural.primitives import cylinder, lathe, sphere, spline, torus, tube
from opendlign_core.ingestion.procedural.shape import Category, Draw, Shape
from opendlign_core.ingestion.procedural.solid import Solid, join


def mug(draw: Draw) -> Shape:
    radius, height = draw.uniform(0.036, 0.048), draw.uniform(0.08, 0.12)
    foot, belly = radius * draw.uniform(0.8, 1.0), radius * draw.uniform(0.95, 1.12)
    profile = spline([(foot, 0), (belly, height * 0.4), (radius, height)], 8)
    square = draw.chance(0.3)
    handle = ear_handle(
        radius * 0.92, height * draw.uniform(0.12, 0.25), height * draw.uniform(0.75, 0.9),
        draw.uniform(0.024, 0.036), draw.uniform(0.004, 0.007), square,
    )  # fmt: skip
    solid = shell(profile, 0.004).named("body") + handle.turn("y", draw.uniform(-50, 50)).named("handle")
    return Shape(solid, "tall" if height > 0.105 else "", "a square handle" if square else "a round handle")


def cup(draw: Draw) -> Shape:
    height = draw.uniform(0.055, 0.13)
    rim = height * draw.uniform(0.36, 0.5) if height > 0.085 else draw.uniform(0.04, 0.05)
    if height > 0.085:
        profile = np.array([(rim * draw.uniform(0.6, 0.85), 0.0), (rim, height)])
        solid = shell(profile, 0.003)
        solid += torus(rim, 0.003, 24, 6).move(y=height)
        return Shape(solid.named("body"), "tall", "a plain rim")
    foot = rim * draw.uniform(0.4, 0.6)
    profile = spline([(foot, 0), (foot, 0.006), (rim * 0.85, height * 0.45), (rim, height)], 10)
    solid = shell(profile, 0.003).named("body")
    if draw.chance(0.6):
        handle = ear_handle(rim * 0.8, height * 0.35, height * 0.85, 0.018, 0.003)
        solid += handle.turn("y", draw.uniform(-50, 50)).named("handle")
    saucer = lathe([(0.02, -0.004), (0.045, 0.002), (rim * 1.7, 0.014), (rim * 1.68, 0.011)], 26)
    return Shape(solid + saucer.painted(Paint.ACCENT).named("saucer"), "small", "a saucer")


def bowl(draw: Draw) -> Shape:
    rim = draw.uniform(0.07, 0.15)
    height = rim * draw.uniform(0.38, 0.95)
    foot = rim * draw.uniform(0.3, 0.5)
    steep = draw.uniform(0.7, 0.98)
    profile = spline([(foot, 0), (foot, 0.008), (rim * steep, height * 0.5), (rim, height)], 12)
    solid = shell(profile, draw.uniform(0.003, 0.008)).named("body")
    return Shape(solid, "deep" if height > rim * 0.65 else "wide", "a round foot")


def vase(draw: Draw) -> Shape:
    height = draw.uniform(0.2, 0.42)
    belly, neck = height * draw.uniform(0.2, 0.36), height * draw.uniform(0.07, 0.15)
    foot, lip = belly * draw.uniform(0.45, 0.75), neck * draw.uniform(1.1, 2.0)
    shoulder = draw.uniform(0.25, 0.6)
    controls = [(foot, 0), (belly, height * shoulder), (neck, height * draw.uniform(0.78, 0.88)), (lip, height)]
    solid = shell(spline(controls, 18), 0.005).named("body")
    if draw.chance(0.3):
        handle = ear_handle(belly * 0.85, height * shoulder, height * 0.85, belly * 0.25, 0.007).named("handle")
        return Shape(solid + handle + handle.turn("y", 180), "tall", "two handles")
    return Shape(solid, "slender" if belly < height * 0.26 else "round", "a narrow neck")


def bottle(draw: Draw) -> Shape:
    height, radius = draw.uniform(0.2, 0.33), draw.uniform(0.03, 0.045)
    neck, shoulder = draw.uniform(0.011, 0.017), draw.uniform(0.5, 0.7)
    start = min(shoulder + draw.uniform(0.08, 0.2), 0.85)
    if draw.chance(0.3):
        radius *= 1.25
        shoulder *= 0.75
    profile = [(radius * 0.92, 0), (radius, 0.008), (radius, height * shoulder)]
    slope = spline([profile[-1], (radius * 0.75, height * (shoulder + start) / 2), (neck, height * start)], 7)
    solid = lathe(np.concatenate([profile, slope[1:], [(neck, height)]]), 22).named("body")
    cap = cylinder(neck * 1.25, draw.uniform(0.012, 0.03)).move(y=height - 0.008).painted(Paint.ACCENT).named("cap")
    label = lathe([(radius * 1.01, height * 0.12), (radius * 1.01, height * 0.38)], 22, "none")
    return Shape(
        join(solid, cap, label.painted(Paint.WHITE).named("label")), "slender" if height > 0.28 else "", "a cap"
    )


def jar(draw: Draw) -> Shape:
    height, radius = draw.uniform(0.1, 0.18), draw.uniform(0.045, 0.07)
    mouth, bulge = radius * draw.uniform(0.7, 0.92), radius * draw.uniform(1.0, 1.12)
    controls = [(radius * 0.9, 0), (bulge, height * 0.3), (radius, height * 0.75), (mouth, height * 0.9)]
    body = lathe(spline(controls, 12), 22)
    lid = cylinder(mouth * 1.08, height * 0.12).move(y=height * 0.9).painted(Paint.ACCENT)
    if draw.chance(0.4):
        lid += sphere(mouth * 0.22, 10, 7).move(y=height * 1.05).painted(Paint.ACCENT)
    return Shape(body.named("body") + lid.named("lid"), "squat" if height < radius * 2.2 else "", "a lid")


def wine_glass(draw: Draw) -> Shape:
    height, foot = draw.uniform(0.15, 0.24), draw.uniform(0.03, 0.04)
    stem, belly = draw.uniform(0.3, 0.5), draw.uniform(0.032, 0.05)
    rim, base = belly * draw.uniform(0.7, 1.1), height * stem
    bowl_ = spline([(0.005, base), (belly, base + (height - base) * 0.45), (rim, height)], 10)
    profile = [(foot, 0), (foot, 0.002), (0.006, 0.012), (0.004, base * 0.5)]
    solid = lathe(np.concatenate([profile, bowl_]), 22, "first").named("body")
    return Shape(solid, "slender" if belly < 0.04 else "round", "a long stem")


def teapot(draw: Draw) -> Shape:
    radius, squash = draw.uniform(0.07, 0.1), draw.uniform(0.7, 1.0)
    height = radius * 2 * squash
    body = lathe(spline([(radius * 0.5, 0), (radius, height * 0.42), (radius * 0.4, height * 0.92)], 14), 22)
    lid = lathe([(radius * 0.45, 0), (radius * 0.3, radius * 0.16), (0.004, radius * 0.22)], 18)
    knob = sphere(radius * 0.14, 10, 7).move(y=radius * 0.3)
    lift = height * draw.uniform(0.95, 1.15)
    spout = spline(
        [(radius * 0.7, height * 0.3, 0), (radius * 1.25, height * 0.45, 0), (radius * 1.45, lift * 0.8, 0),
         (radius * 1.75, lift, 0)], 9,
    )  # fmt: skip
    lid = join(lid, knob).move(y=height * 0.9).painted(Paint.ACCENT).named("lid")
    solid = join(body.named("body"), lid, tube(spout, np.linspace(radius * 0.24, radius * 0.1, 9)).named("spout"))
    if draw.chance(0.3):
        arch = spline([(-radius * 0.6, height * 0.75, 0), (-radius * 0.5, height * 1.5, 0),
                       (radius * 0.5, height * 1.5, 0), (radius * 0.6, height * 0.75, 0)], 12)  # fmt: skip
        return Shape(solid + tube(arch, 0.006, segments=6).named("handle"), "", "a spout and a handle on top")
    handle = ear_handle(radius * 0.8, height * 0.25, height * 0.8, radius * 0.7, 0.008)
    return Shape(solid + handle.turn("y", 180).named("handle"), "round", "a spout and a handle")


def bucket(draw: Draw) -> Shape:
    rim, height = draw.uniform(0.13, 0.17), draw.uniform(0.22, 0.32)
    solid = shell(np.array([(rim * draw.uniform(0.65, 0.85), 0.0), (rim, height)]), 0.006)
    solid += torus(rim, 0.006, 24, 6).move(y=height)
    up = draw.chance(0.5)
    angle = np.linspace(0, np.pi, 13)
    bail = np.stack([np.cos(angle) * rim, np.sin(angle) * rim * 1.1, np.zeros(13)], -1)
    handle = tube(bail, 0.004, segments=5).painted(Paint.STEEL)
    handle = handle.turn("x", draw.uniform(-20, 20) if up else draw.pick((75.0, -75.0))).move(y=height - 0.01)
    return Shape(solid.named("body") + handle.named("handle"), "", "a wire handle")


def _pan_handle(draw: Draw, radius: float, height: float) -> Solid:
    length = draw.uniform(0.15, 0.22)
    path = spline(
        [(radius * 0.95, height * 0.8, 0), (radius + length * 0.5, height, 0), (radius + length, height * 1.2, 0)], 6
    )
    return tube(path, draw.uniform(0.008, 0.013), segments=6).painted(Paint.BLACK).turn("y", draw.uniform(-40, 40))


def pan(draw: Draw) -> Shape:
    deep = draw.chance(0.4)
    radius = draw.uniform(0.09, 0.15)
    height = draw.uniform(0.09, 0.14) if deep else draw.uniform(0.035, 0.06)
    flare = 1.0 if deep else draw.uniform(0.75, 0.95)
    solid = shell(np.array([(radius * flare, 0.0), (radius, height)]), 0.004)
    handle = _pan_handle(draw, radius, height).named("handle")
    return Shape(solid.named("body") + handle, "deep" if deep else "flat", "a long handle")


VESSELS = (
    Category("mug", ("ceramic", "metal", "plastic"), mug, ("body", "handle")),
    Category("cup", ("ceramic", "plastic", "glass"), cup, ("body", "handle", "saucer")),
    Category("bowl", ("ceramic", "wooden", "glass", "metal"), bowl, ("body",)),
    Category("vase", ("ceramic", "glass", "stone"), vase, ("body", "handle")),
    Category("bottle", ("glass", "plastic", "metal"), bottle, ("body", "cap", "label")),
    Category("jar", ("glass", "ceramic", "plastic"), jar, ("body", "lid")),
    Category("wine glass", ("glass", "metal"), wine_glass, ("body",)),
    Category("teapot", ("ceramic", "metal", "glass"), teapot, ("body", "lid", "spout", "handle")),
    Category("bucket", ("metal", "plastic", "wooden"), bucket, ("body", "handle")),
    Category("pan", ("metal", "ceramic"), pan, ("body", "handle")),
)
