"""Small valid files of every format, made here so that tests and fuzzing need no outside material."""

import base64
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# A wedge without symmetry, so that a swapped or mirrored axis shows.
VERTICES = np.array(
    [[0, 0, 0], [3, 0, 0], [3, 0, 1], [0, 0, 1], [0, 2, 0], [3, 2, 0]],
    dtype=np.float64,
)
QUADS = [[0, 1, 2, 3], [0, 4, 5, 1], [3, 2, 5, 4]]
TRIANGLES = [[0, 3, 4], [1, 5, 2]]
POLYGONS = QUADS + TRIANGLES
FAN = np.array([[0, 1, 2], [0, 2, 3], [0, 4, 5], [0, 5, 1], [3, 2, 5], [3, 5, 4], [0, 3, 4], [1, 5, 2]])
COLORS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [10, 20, 30], [40, 50, 60], [70, 80, 90]], dtype=np.uint8)
AREA = 3.0 + 6.0 + 3 * np.sqrt(5) + 1.0 + 1.0


def rows(values: npt.NDArray[np.generic], separator: str = " ") -> str:
    return "\n".join(separator.join(str(item) for item in row) for row in values.tolist()) + "\n"


def off() -> bytes:
    return f"OFF\n6 5 0\n{rows(VERTICES)}{''.join(_polygon_line(p) for p in POLYGONS)}".encode()


def _polygon_line(polygon: list[int]) -> str:
    return f"{len(polygon)} {' '.join(map(str, polygon))}\n"


def obj() -> bytes:
    vertices = "".join(f"v {x} {y} {z}\n" for x, y, z in VERTICES.tolist())
    faces = "".join("f " + " ".join(f"{corner + 1}//1" for corner in polygon) + "\n" for polygon in POLYGONS)
    return ("mtllib none.mtl\n" + vertices + "vn 0 1 0\n" + faces).encode()


def stl_ascii() -> bytes:
    facets = ""
    for triangle in VERTICES[FAN].tolist():
        lines = "".join(f"vertex {x} {y} {z}\n" for x, y, z in triangle)
        facets += f"facet normal 0 0 0\nouter loop\n{lines}endloop\nendfacet\n"
    return f"solid wedge\n{facets}endsolid wedge\n".encode()


def stl_binary() -> bytes:
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *t.reshape(-1), 0) for t in VERTICES[FAN])
    return b"solid but binary".ljust(80, b" ") + struct.pack("<I", len(FAN)) + body


def ply(layout: str = "ascii") -> bytes:
    header = (
        f"ply\nformat {layout} 1.0\ncomment made here\nelement vertex 6\n"
        "property float x\nproperty float y\nproperty float z\n"
        "property uchar red\nproperty uchar green\nproperty uchar blue\n"
        "element face 5\nproperty list uchar int vertex_indices\nend_header\n"
    ).encode()
    if layout == "ascii":
        lines = "".join(f"{' '.join(map(str, [*v, *c]))}\n" for v, c in zip(VERTICES.tolist(), COLORS, strict=True))
        return header + (lines + "".join(_polygon_line(p) for p in POLYGONS)).encode()
    order = "<" if "little" in layout else ">"
    vertices = b"".join(struct.pack(f"{order}3f3B", *v, *c) for v, c in zip(VERTICES, COLORS, strict=True))
    return header + vertices + b"".join(struct.pack(f"{order}B{len(p)}i", len(p), *p) for p in POLYGONS)


def pcd(layout: str = "ascii") -> bytes:
    packed = COLORS[:, 0].astype("<u4") << 16 | COLORS[:, 1].astype("<u4") << 8 | COLORS[:, 2]
    header = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
        f"WIDTH 6\nHEIGHT 1\nVIEWPOINT 0 0 0 1 0 0 0\nPOINTS 6\nDATA {layout}\n"
    ).encode()
    if layout == "ascii":
        return header + rows(np.column_stack([VERTICES, packed.astype(np.float64)])).replace(".0\n", "\n").encode()
    xyz = VERTICES.astype("<f4")
    if layout == "binary":
        return header + b"".join(p.tobytes() + c.tobytes() for p, c in zip(xyz, packed, strict=True))
    raw = xyz.T.tobytes() + packed.tobytes()
    literal = b"".join(bytes([len(raw[i : i + 32]) - 1]) + raw[i : i + 32] for i in range(0, len(raw), 32))
    return header + struct.pack("<II", len(literal), len(raw)) + literal


def table(separator: str = " ") -> bytes:
    return rows(VERTICES, separator).encode()


def csv() -> bytes:
    return b"X,Y,Z,name\n" + b"".join(f"{x},{y},{z},thing\n".encode() for x, y, z in VERTICES.tolist())


def json_points() -> bytes:
    return json.dumps({"vertices": VERTICES.tolist()}).encode()


def gltf_document(embed: bool, transform: dict[str, list[float]] | None = None) -> tuple[dict[str, object], bytes]:
    binary = VERTICES.astype("<f4").tobytes() + FAN.astype("<u2").tobytes()
    buffer: dict[str, object] = {"byteLength": len(binary)}
    if embed:
        buffer["uri"] = "data:application/octet-stream;base64," + base64.b64encode(binary).decode()
    primitive = {"attributes": {"POSITION": 0}, "indices": 1}
    document: dict[str, object] = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"children": [1], **(transform or {})}, {"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 6, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": FAN.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteOffset": 0, "byteLength": 72},
            {"buffer": 0, "byteOffset": 72, "byteLength": FAN.size * 2},
        ],
        "buffers": [buffer],
    }
    return document, binary


def gltf(transform: dict[str, list[float]] | None = None) -> bytes:
    return json.dumps(gltf_document(True, transform)[0]).encode()


def glb(transform: dict[str, list[float]] | None = None) -> bytes:
    return as_glb(*gltf_document(False, transform))


def as_glb(document: dict[str, object], binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    binary += b"\x00" * (-len(binary) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(binary), 0x004E4942) + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def draco_glb() -> bytes:
    """The wedge as Draco stores it, to 14 bits."""
    import DracoPy

    packed = DracoPy.encode(VERTICES.astype(np.float32), FAN.astype(np.uint32), quantization_bits=14)
    extension = {"KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}
    document, _ = gltf_document(False)
    document |= {
        "extensionsRequired": list(extension),
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "extensions": extension}]}],
        "accessors": [
            {"componentType": 5126, "count": 6, "type": "VEC3"},
            {"componentType": 5123, "count": FAN.size, "type": "SCALAR"},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": len(packed)}],
        "buffers": [{"byteLength": len(packed)}],
    }
    return as_glb(document, packed)


MESHOPT = Path(__file__).with_name("meshopt.npz")
"""Streams that meshoptimizer's encoder wrote, and what it was given, by name."""


def meshopt_glb(positions: str = "wedge", extension: str = "EXT_meshopt_compression") -> bytes:
    """The wedge in whole numbers (`wedge`) or floats (`wedge in floats`), as meshopt stores it."""
    with np.load(MESHOPT) as streams:
        vertices, faces = (streams[f"{name}/stream"].tobytes() for name in (positions, "faces of the wedge"))
    whole = positions == "wedge"
    apart = {"byteStride": 8} if whole else {}
    packed_vertices = {"mode": "ATTRIBUTES", "count": 6, "byteStride": 8 if whole else 12, "byteLength": len(vertices)}
    packed_faces = {"mode": "TRIANGLES", "count": FAN.size, "byteStride": 2, "byteLength": len(faces)}
    packed = [
        {"buffer": 0, "byteOffset": 0, **packed_vertices, "filter": "NONE" if whole else "EXPONENTIAL"},
        {"buffer": 0, "byteOffset": len(vertices), **packed_faces},
    ]
    document, _ = gltf_document(False)
    document |= {
        "extensionsRequired": [extension, "KHR_mesh_quantization"],
        "accessors": [
            {"bufferView": 0, "componentType": 5122 if whole else 5126, "count": 6, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": FAN.size, "type": "SCALAR"},
        ],
        "bufferViews": [
            {
                "buffer": 1,
                "byteLength": 6 * 8,
                "extensions": {extension: packed[0]},
                **apart,
            },
            {"buffer": 1, "byteLength": FAN.size * 2, "extensions": {extension: packed[1]}},
        ],
        "buffers": [{"byteLength": len(vertices) + len(faces)}, {"byteLength": 1 << 10}],
    }
    return as_glb(document, vertices + faces)


def dae(up: str = "Z_UP") -> bytes:
    floats = " ".join(str(value) for value in VERTICES.reshape(-1))
    corners = " ".join(str(corner) for polygon in POLYGONS for corner in polygon)
    sizes = " ".join(str(len(polygon)) for polygon in POLYGONS)
    return f"""<?xml version="1.0" encoding="utf-8"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1">
<asset><unit name="centimeter" meter="0.01"/><up_axis>{up}</up_axis></asset>
<library_geometries><geometry id="wedge"><mesh>
<source id="positions"><float_array id="values" count="18">{floats}</float_array><technique_common>
<accessor source="#values" count="6" stride="3"><param name="X" type="float"/><param name="Y" type="float"/>
<param name="Z" type="float"/></accessor></technique_common></source>
<vertices id="vertices"><input semantic="POSITION" source="#positions"/></vertices>
<polylist count="5"><input semantic="VERTEX" source="#vertices" offset="0"/><vcount>{sizes}</vcount><p>{corners}</p>
</polylist></mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="scene"><node id="node"><translate>0 0 5</translate>
<instance_geometry url="#wedge"/></node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#scene"/></scene></COLLADA>""".encode()


def threemf() -> bytes:
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in VERTICES.tolist())
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in FAN.tolist())
    model = f"""<?xml version="1.0"?>
<model unit="inch" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02"><resources>
<object id="1" type="model"><mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh></object>
<object id="2" type="model"><components><component objectid="1" transform="2 0 0 0 2 0 0 0 2 0 0 0"/></components>
</object></resources><build><item objectid="2" transform="1 0 0 0 1 0 0 0 1 10 0 0"/></build></model>"""
    return zipped({"3D/3dmodel.model": model.encode()})


def zipped(members: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            # Without a date of now, which would be part of the names of tests.
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def npy(array: npt.NDArray[np.generic] | None = None) -> bytes:
    stream = io.BytesIO()
    np.save(stream, VERTICES.astype(np.float32) if array is None else array, allow_pickle=False)
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, points=VERTICES.astype(np.float32), colors=COLORS)
    return stream.getvalue()


def npy_dictionary(content: object = None) -> bytes:
    default = {"xyz": VERTICES.astype(np.float32), "rgb": COLORS / 255.0, "name": "wedge"}
    stream = io.BytesIO()
    array = np.empty((), dtype=object)
    array[()] = default if content is None else content
    np.lib.format.write_array(stream, array, allow_pickle=True)
    return stream.getvalue()


def raw_pickle(content: bytes) -> bytes:
    """A `.npy` file whose object array is the given pickle."""
    stream = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def dangerous_pickle(command: str) -> bytes:
    class Payload:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.system, (command,)

    return raw_pickle(pickle.dumps(Payload()))


def h5(clouds: int = 3) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        data = np.stack([VERTICES * (row + 1) for row in range(clouds)]).astype(np.float32)
        file.create_dataset("data", data=data, compression="gzip", chunks=(1, 6, 3))
        file.create_dataset("label", data=np.arange(clouds))
    return stream.getvalue()


def las(suffix: str = ".las") -> bytes:
    import laspy

    header = laspy.LasHeader(point_format=2, version="1.2")
    header.scales = np.full(3, 0.001)
    cloud = laspy.LasData(header)
    cloud.x, cloud.y, cloud.z = VERTICES.T
    cloud.red, cloud.green, cloud.blue = COLORS.T.astype(np.uint16) * 257
    stream = io.BytesIO()
    cloud.write(stream, do_compress=suffix == ".laz")
    return stream.getvalue()


SAMPLES: dict[str, tuple[Callable[[], bytes], ...]] = {
    ".off": (off,),
    ".obj": (obj,),
    ".stl": (stl_ascii, stl_binary),
    ".ply": (ply, lambda: ply("binary_little_endian"), lambda: ply("binary_big_endian")),
    ".pcd": (pcd, lambda: pcd("binary"), lambda: pcd("binary_compressed")),
    ".xyz": (table,),
    ".txt": (lambda: table(","),),
    ".pts": (lambda: b"6\n" + table(),),
    ".csv": (csv,),
    ".json": (json_points,),
    ".gltf": (gltf,),
    ".glb": (glb, meshopt_glb, draco_glb),
    ".dae": (dae,),
    ".3mf": (threemf,),
    ".npy": (npy, npy_dictionary),
    ".npz": (npz,),
    ".h5": (lambda: h5(1),),
    ".las": (las,),
    ".laz": (lambda: las(".laz"),),
    ".zip": (lambda: zipped({"wedge.obj": obj()}),),
}
"""For each suffix, makers of valid files; each holds the wedge above, scaled or moved at most."""
