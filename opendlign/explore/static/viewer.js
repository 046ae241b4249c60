// Draws a cloud on a canvas: discs against a z-buffer, lit from the upper left. No library, no WebGL.

const LIGHT = [-0.45, 0.75, 0.5];
const length = Math.hypot(...LIGHT);

async function load(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`no points: ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  const count = bytes.byteLength / 27; // six float32 and three bytes a point
  return {
    count,
    points: new Float32Array(bytes, 0, 3 * count),
    normals: new Float32Array(bytes, 12 * count, 3 * count),
    colors: new Uint8Array(bytes, 24 * count, 3 * count),
  };
}

function draw(canvas, cloud, azimuth, elevation, zoom) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const nearest = new Float32Array(width * height).fill(-Infinity);
  const [ca, sa, ce, se] = [Math.cos(azimuth), Math.sin(azimuth), Math.cos(elevation), Math.sin(elevation)];
  const right = [ca, 0, -sa], near = [sa * ce, se, ca * ce];
  const up = [-sa * se, ce, -ca * se];
  const scale = 0.47 * Math.min(width, height) * zoom;
  const radius = Math.max(1.5, Math.min(7, (2.6 * scale) / Math.sqrt(cloud.count)));
  const dot = (axis, from, at) => axis[0] * from[at] + axis[1] * from[at + 1] + axis[2] * from[at + 2];
  for (let at = 0; at < 3 * cloud.count; at += 3) {
    const x = width / 2 + scale * dot(right, cloud.points, at);
    const y = height / 2 - scale * dot(up, cloud.points, at);
    const z = dot(near, cloud.points, at);
    let normal = [dot(right, cloud.normals, at), dot(up, cloud.normals, at), dot(near, cloud.normals, at)];
    if (normal[2] < 0) normal = normal.map((value) => -value);
    const lit = Math.max(0, normal[0] * LIGHT[0] + normal[1] * LIGHT[1] + normal[2] * LIGHT[2]) / length;
    const light = (0.66 + 0.4 * lit) * (0.85 + 0.15 * z);
    for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
      const half = Math.sqrt(Math.max(0, radius * radius - (row - y) * (row - y)));
      for (let column = Math.max(0, Math.ceil(x - half)); column <= Math.min(width - 1, x + half); column++) {
        const pixel = row * width + column;
        if (z <= nearest[pixel]) continue;
        nearest[pixel] = z;
        for (let channel = 0; channel < 3; channel++) {
          image.data[4 * pixel + channel] = Math.min(255, cloud.colors[at + channel] * light);
        }
        image.data[4 * pixel + 3] = 255;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

export async function show(canvas) {
  const cloud = await load(canvas.dataset.points);
  let [azimuth, elevation, zoom, held] = [0.6, 0.35, 1, null];
  const redraw = () => requestAnimationFrame(() => {
    draw(canvas, cloud, azimuth, elevation, zoom);
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
