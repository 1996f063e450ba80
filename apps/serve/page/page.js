"use strict";

const element = (id) => document.getElementById(id);

function headers() {
  const key = element("key").value;
  return key ? { Authorization: "Bearer " + key } : {};
}

async function failure(response) {
  if (response.status === 401) element("key-label").hidden = false;
  try {
    return (await response.json()).error.message;
  } catch {
    return response.status + " " + response.statusText;
  }
}

async function showModel() {
  try {
    const response = await fetch("v1/models", { headers: headers() });
    if (!response.ok) throw new Error(await failure(response));
    const model = (await response.json()).data[0];
    element("model").textContent = model.id + " on " + model.device;
  } catch (error) {
    element("model").textContent = error.message;
  }
}

function dataUri(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(new Error("the file cannot be read"));
    reader.readAsDataURL(file);
  });
}

// The objects of server-sent events, as they come.
async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the connection broke off");
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const data = text.slice(0, end).replace(/^data: /, "");
      text = text.slice(end + 2);
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Error(event.error.message);
      yield event;
    }
  }
}

function drawRegions(article, regions) {
  const image = article.querySelector("img");
  const canvas = article.querySelector("canvas");
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  const pen = canvas.getContext("2d");
  const size = Math.max(image.naturalWidth, image.naturalHeight);
  pen.lineWidth = Math.max(1, size / 200);
  pen.font = "bold " + Math.max(9, size / 25) + "px sans-serif";
  regions.forEach((region, index) => {
    const color = "hsl(" + (index * 137) % 360 + " 90% 55%)";
    pen.strokeStyle = pen.fillStyle = color;
    let corner = null;
    const close = (points) => {
      pen.beginPath();
      for (let i = 0; i + 1 < points.length; i += 2) pen.lineTo(points[i], points[i + 1]);
      pen.closePath();
      pen.stroke();
      corner = corner || [points[0], points[1]];
    };
    if (region.box) {
      const [left, top, right, bottom] = region.box;
      close([left, top, right, top, right, bottom, left, bottom]);
    }
    if (region.quad) close(region.quad);
    (region.polygons || []).forEach(close);
    if (corner && region.label) pen.fillText(region.label, corner[0] + 2, Math.max(corner[1] - 3, size / 25));
  });
}

function showEnd(article, extra, seconds) {
  const parts = [seconds.toFixed(2) + " s", extra.device];
  if (extra.fallback) parts.push(extra.fallback);
  (extra.warnings || []).forEach((warning) => parts.push(warning));
  article.querySelector(".detail").textContent = parts.join(" \u00b7 ");
  if (extra.regions) drawRegions(article, extra.regions);
}

function request(url) {
  const content = [{ type: "image_url", image_url: { url } }];
  const prompt = element("prompt").value.trim();
  const task = element("task").value.trim();
  if (prompt) content.unshift({ type: "text", text: prompt });
  const body = { stream: true, messages: [{ role: "user", content }] };
  if (task) body.task = task;
  return body;
}

async function caption(file) {
  const article = element("result").content.cloneNode(true).querySelector("article");
  article.querySelector("img").src = URL.createObjectURL(file);
  article.classList.add("busy");
  element("results").prepend(article);
  const words = article.querySelector(".caption");
  const begin = performance.now();
  try {
    const body = JSON.stringify(request(await dataUri(file)));
    const response = await fetch("v1/chat/completions", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers() },
      body,
    });
    if (!response.ok) throw new Error(await failure(response));
    for await (const event of events(response)) {
      const choice = event.choices[0];
      if (choice && choice.index === 0) words.textContent += choice.delta.content || "";
      if (event.vulcap) showEnd(article, event.vulcap, (performance.now() - begin) / 1000);
    }
  } catch (error) {
    article.classList.add("failed");
    words.textContent = error.message;
  }
  article.classList.remove("busy");
}

function captionAll(files) {
  for (const file of files) caption(file);
}

const drop = element("drop");
for (const name of ["dragenter", "dragover"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
for (const name of ["dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.remove("over");
  });
}
document.addEventListener("drop", (event) => captionAll(event.dataTransfer.files));
document.addEventListener("paste", (event) => captionAll(event.clipboardData.files));
element("file").addEventListener("change", (event) => {
  captionAll(event.target.files);
  event.target.value = "";
});
element("key").addEventListener("change", showModel);
element("settings").addEventListener("submit", (event) => event.preventDefault());
showModel();
