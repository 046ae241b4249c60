"""Triangles cut where they leave what a camera can see: behind the near plane, or too far aside to be exact."""

from collections.abc import Iterator

import torch
from torch import Tensor

from opendlign_core.projection.layers.soup import Soup

GUARD_PIXELS = 1 << 16
"""How far aside a vertex may project, in pixels: edge functions of 1/256 pixel stay exact in float64."""

NEAREST = 1e-9
"""The least clip w that is divided by."""


def clipped(soup: Soup, size: tuple[int, int]) -> Soup:
    """The part of every triangle that lies before the camera; cut triangles keep their place in the order."""
    for number in range(6):
        distance = _distance(soup.vertices, number, size)
        if bool((distance < 0).any()):
            soup = _cut(soup, distance)
    return soup


def _distance(vertices: Tensor, number: int, size: tuple[int, int]) -> Tensor:  # [N]
    """How far vertices lie within a plane: w positive, near, left, right, top, bottom."""
    x, y, z, w = vertices.unbind(1)
    if number == 0:
        return w - NEAREST
    if number == 1:
        return z + w
    aside, pixels = (x, size[1]) if number < 4 else (y, size[0])
    return w * (2 * GUARD_PIXELS / pixels) + (aside if number % 2 else -aside)


def _cut(soup: Soup, distance: Tensor) -> Soup:
    """The soup on the positive side; new vertices lie on the plane."""
    at = distance[soup.faces]  # [F, 3]
    inside = (at >= 0).sum(1)
    whole = (inside == 3).nonzero()[:, 0]
    parents, faces = [whole], [soup.faces[whole]]
    vertices, attributes = [soup.vertices], [soup.attributes]
    known = len(soup.vertices)
    for parent, corners, start, end in _crossings(soup.faces, at, inside):
        share = (distance[start] / (distance[start] - distance[end]))[:, None]
        vertices.append(torch.lerp(soup.vertices[start], soup.vertices[end], share))
        attributes.append(torch.lerp(soup.attributes[start], soup.attributes[end], share.float()))
        made = known + torch.arange(len(start), device=start.device).view(2, -1)
        known += len(start)
        parents += [parent] * len(corners)
        faces += [torch.stack([_corner(corner, made) for corner in triangle], 1) for triangle in corners]
    parent = torch.cat(parents)
    order = torch.argsort(parent, stable=True)
    return Soup(torch.cat(vertices), torch.cat(attributes), torch.cat(faces)[order], soup.image[parent[order]])


Corner = Tensor | int
"""A vertex of the soup for every triangle [T], or the number of a cut, 0 or 1."""


def _crossings(
    faces: Tensor, at: Tensor, inside: Tensor
) -> Iterator[tuple[Tensor, list[tuple[Corner, Corner, Corner]], Tensor, Tensor]]:
    """Triangles with one, then with two corners inside: who, what remains of each, and both edges [2 T] to cut."""
    for count in (1, 2):
        who = (inside == count).nonzero()[:, 0]
        odd = (at[who] >= 0).eq(count == 1).int().argmax(1)  # the corner that is alone on its side
        lone, following, last = (faces[who, (odd + step) % 3] for step in range(3))
        edges = (lone.repeat(2), torch.cat([following, last]))
        if count == 1:
            yield who, [(lone, 0, 1)], *edges
        else:
            yield who, [(0, following, last), (0, last, 1)], *edges


def _corner(corner: Corner, made: Tensor) -> Tensor:
    return made[corner] if isinstance(corner, int) else corner
