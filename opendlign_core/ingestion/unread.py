"""Formats of shapes that no reader takes, and what to do about each."""

DRAWINGS = frozenset((".dxf", ".dwg", ".svg", ".ai", ".eps"))
MODELS = frozenset((
    ".fbx", ".blend", ".3ds", ".max", ".ma", ".mb", ".c4d", ".skp", ".usd", ".usda", ".usdc", ".usdz", ".abc", ".x3d",
    ".wrl", ".lwo", ".dff", ".e57", ".ifc", ".step", ".stp", ".iges", ".igs", ".sldprt", ".rvt", ".3dm", ".vtk",
    ".vtp",
))  # fmt: skip
"""Suffixes of shapes that other programs can bring into a format with a reader."""


def why_unread(suffix: str) -> str:
    """Why a file of this suffix (lower case, with its dot) is not read.

    >>> why_unread(".fbx")
    'has the suffix .fbx, which no reader takes: export it as .glb, .obj or .ply'
    """
    if suffix in DRAWINGS:
        return f"is a drawing ({suffix}), not a shape"
    remedy = ": export it as .glb, .obj or .ply" if suffix in MODELS else ""
    return f"has the suffix {suffix or '(none)'}, which no reader takes{remedy}"
