// Turns the model of a page, and takes pictures and shapes that are dropped on it.

import { show } from "/static/viewer.js";

const note = document.getElementById("drop-note");

async function bring(file) {
  note.textContent = ` reading ${file.name} ...`;
  const answer = await fetch(`/bring?name=${encodeURIComponent(file.name)}`, {
    method: "POST",
    headers: { "X-Opendlign": "1" },
    body: file,
  });
  const said = await answer.json();
  if (said.page) location.href = said.page;
  else note.textContent = ` ${said.error}`;
}

const drop = document.getElementById("drop");
if (drop) {
  const over = (event, is) => {
    event.preventDefault();
    drop.classList.toggle("over", is);
  };
  drop.addEventListener("dragover", (event) => over(event, true));
  drop.addEventListener("dragleave", (event) => over(event, false));
  drop.addEventListener("drop", (event) => {
    over(event, false);
    if (event.dataTransfer.files.length) bring(event.dataTransfer.files[0]);
  });
  document.getElementById("file").addEventListener("change", (event) => bring(event.target.files[0]));
}

const canvas = document.getElementById("viewer");
if (canvas) show(canvas).catch((error) => canvas.replaceWith(document.createTextNode(error.message)));
