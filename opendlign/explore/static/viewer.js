// Draws a mesh or a cloud on a canvas: triangles or discs against a z-buffer, lit from the upper left. No library, no
// WebGL.

const LIGHT = [-0.45, 0.75, 0.5];
const length = Math.hypot(...LIGHT);

async function fetched(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`no model: ${answer.status}`);
  return answer.arrayBuffer();
}

async function loadCloud(url) {
  const bytes = await fetched(url);
  const count = bytes.byteLength / 27; // six float32 and three bytes a point
  return {
    count,
    draw: drawDiscs,
    points: new Float32Array(bytes, 0, 3 * count),
    normals: new Float32Array(bytes, 12 * count, 3 * count),
    colors: new Uint8Array(bytes, 24 * count, 3 * count),
  };
}

async function loadMesh(url) {
  const bytes = await fetched(url);
  const count = bytes.byteLength / 39; // three corners of three float32, and three bytes a triangle
  return {
    count,
    draw: drawTriangles,
    corners: new Float32Array(bytes, 0, 9 * count),
    colors: new Uint8Array(bytes, 36 * count, 3 * count),
  };
}

function draw(canvas, model, azimuth, elevation, zoom) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
  const view = {
    width, height,
    image: context.createImageData(width, height),
    nearest: new Float32Array(width * height).fill(-Infinity),
    axes: [[ca, 0, -sa], [-sa * se, ce, -ca * se], [sa * ce, se, ca * ce]], // right, up, near
    scale: 0.47 * Math.min(width, height) * zoom,
  };
  model.draw(view, model);
  context.putImageData(view.image, 0, 0);
}

const turned = (view, from, at) =>
  view.axes.map((axis) => axis[0] * from[at] + axis[1] * from[at + 1] + axis[2] * from[at + 2]);

function light(normal, z) {
  const facing = normal[2] < 0 ? -1 : 1;
  const lit = facing * (normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2]);
  return (0.66 + 0.4 * Math.max(0, lit) / length) * (0.85 + 0.15 * z);
}

function paint(view, row, column, z, colors, at, shade) {
  const pixel = row * view.width + column;
  if (z <= view.nearest[pixel]) return;
  view.nearest[pixel] = z;
  for (let channel = 0; channel < 3; channel++) {
    view.image.data[4 * pixel + channel] = Math.min(255, colors[at + channel] * shade);
  }
  view.image.data[4 * pixel + 3] = 255;
}

function drawDiscs(view, cloud) {
  const { width, height, scale } = view;
  const radius = Math.max(1.5, Math.min(7, (2.6 * scale) / Math.sqrt(cloud.count)));
  for (let at = 0; at < 3 * cloud.count; at += 3) {
    const [right, up, z] = turned(view, cloud.points, at);
    const [x, y] = [width / 2 + scale * right, height / 2 - scale * up];
    const shade = light(turned(view, cloud.normals, at), z);
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
      const half = Math.sqrt(Math.max(0, radius * radius - (row - y) * (row - y)));
      for (let column = Math.max(0, Math.ceil(x - half)); column <= Math.min(width - 1, x + half); column++) {
        paint(view, row, column, z, cloud.colors, at, shade);
      }
    }
  }
}

function drawTriangles(view, mesh) {
  for (let at = 0; at < mesh.count; at++) {
    const corners = [0, 3, 6].map((corner) => turned(view, mesh.corners, 9 * at + corner));
    const [a, b, c] = corners;
    const [u, v] = [b, c].map((corner) => corner.map((value, axis) => value - a[axis]));
    const normal = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    const size = Math.hypot(...normal);
    if (size === 0) continue;
    const shade = light(normal.map((value) => value / size), (a[2] + b[2] + c[2]) / 3);
    fill(view, corners, mesh.colors, 3 * at, shade);
  }
}

// Every pixel whose middle lies in a triangle, by the share that each corner has of it.
function fill(view, corners, colors, at, shade) {
  const [xs, ys] = [0, 1].map((axis) => corners.map((corner) =>
    axis ? view.height / 2 - view.scale * corner[1] : view.width / 2 + view.scale * corner[0]));
  const area = (xs[1] - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (ys[1] - ys[0]);
  if (area === 0) return;
  const ends = (values, most) => [Math.max(0, Math.ceil(Math.min(...values))), Math.min(most, Math.max(...values))];
  const [[left, right], [top, bottom]] = [ends(xs, view.width - 1), ends(ys, view.height - 1)];
  for (let y = top; y <= bottom; y++) {
    for (let x = left; x <= right; x++) {
      const second = ((x - xs[0]) * (ys[2] - ys[0]) - (xs[2] - xs[0]) * (y - ys[0])) / area;
      const third = ((xs[1] - xs[0]) * (y - ys[0]) - (x - xs[0]) * (ys[1] - ys[0])) / area;
      if (second < 0 || third < 0 || second + third > 1) continue;
      const z = corners[0][2] + second * (corners[1][2] - corners[0][2]) + third * (corners[2][2] - corners[0][2]);
      paint(view, y, x, z, colors, at, shade);
    }
  }
}

export async function show(canvas) {
  const mesh = await loadMesh(canvas.dataset.mesh);
  const model = mesh.count ? mesh : await loadCloud(canvas.dataset.points);
  canvas.dataset.drawn = mesh.count ? "mesh" : "points";
  let [azimuth, elevation, zoom, held] = [0.6, 0.35, 1, null];
  const redraw = () => requestAnimationFrame(() => {
    draw(canvas, model, azimuth, elevation, zoom);
    canvas.dataset.turned = azimuth.toFixed(3);
  });
  const turn = (right, up) => {
    azimuth -= right;
    elevation = Math.max(-1.5, Math.min(1.5, elevation + up));
    redraw();
  };
  canvas.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    turn((event.clientX - held[0]) / 120, (event.clientY - held[1]) / 120);
    held = [event.clientX, event.clientY];
  });
  canvas.addEventListener("pointerup", () => (held = null));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom = Math.max(0.3, Math.min(6, zoom * Math.exp(-event.deltaY / 600)));
    redraw();
  }, { passive: false });
  const steps = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in steps)) return;
    event.preventDefault();
    turn(...steps[event.key]);
  });
  redraw();
}
