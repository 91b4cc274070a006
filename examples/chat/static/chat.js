// The page works without this file too: the form posts and the page comes back.
"use strict";

const list = document.getElementById("messages");
const form = document.getElementById("form");
const nameField = document.getElementById("name");
const textField = document.getElementById("text");
const empty = document.getElementById("empty");
let last = Number(document.body.dataset.last);
let socket = null;

if (window === window.top) textField.focus(); // within another page the visitor may be elsewhere

const me = () => nameField.value.trim().replace(/\s+/g, " ") || "Guest";
const pick = (words) => words.split(" ")[Math.floor(Math.random() * words.split(" ").length)];
// A name for each tab, so that two windows of one browser are two people.
nameField.value =
  sessionStorage.getItem("chat-name") ||
  pick("Amber Bold Calm Clever Gentle Merry Quick Quiet Sunny Witty") + " " +
  pick("Badger Crane Dolphin Fox Heron Lynx Otter Panda Robin Wren");
nameField.addEventListener("input", () => {
  sessionStorage.setItem("chat-name", nameField.value);
  document.querySelectorAll(".message").forEach(dress);
});
sessionStorage.setItem("chat-name", nameField.value);

function hue(name) {
  let value = 2166136261; // FNV-1a: near names get far colours
  for (const letter of name) value = Math.imul(value ^ letter.codePointAt(0), 16777619);
  return ((value >>> 8) % 24) * 15;
}

function dress(item) {
  const name = item.dataset.name;
  item.style.setProperty("--hue", hue(name));
  item.classList.toggle("mine", name === me());
  const before = item.previousElementSibling;
  item.classList.toggle("more", before !== null && before.dataset.name === name);
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function show(message) {
  if (message.id <= last) return;
  last = message.id;
  const item = element("li", "message new");
  item.id = "m" + message.id;
  item.dataset.name = message.name;
  const face = element("span", "face", [...message.name][0].toUpperCase());
  face.setAttribute("aria-hidden", "true");
  const head = element("p", "head");
  head.append(element("b", "", message.name), " ", element("time", "", message.time));
  const bubble = element("div", "bubble");
  bubble.append(head, element("p", "body", message.text));
  item.append(face, bubble);
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
  list.insertBefore(item, empty);
  dress(item);
  empty.hidden = true;
  if (atEnd || item.classList.contains("mine")) list.scrollTop = list.scrollHeight;
}

function receive(event) {
  if (event.present !== undefined) document.getElementById("present").textContent = event.present;
  (event.messages || []).forEach(show);
}

function status(on, via) {
  document.getElementById("dot").className = "dot " + (on ? "on" : "off");
  document.getElementById("via").textContent = via;
}

const fields = (more) =>
  new URLSearchParams({ _xsrf: form.elements._xsrf.value, ...more });
const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

async function poll() {
  const page = Math.random().toString(36).slice(2);
  for (;;) {
    try {
      const answer = await fetch("/updates", { method: "POST", body: fields({ cursor: last, page }) });
      if (!answer.ok) throw new Error(answer.statusText);
      status(true, "long polling");
      receive(await answer.json());
    } catch {
      status(false, "reconnecting");
      await pause(1500);
    }
  }
}

// A websocket that never opened is taken for one that something on the way does not let pass;
// one that did is waited for, with growing pauses.
function connect(failures, everOpened) {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const opened = new WebSocket(`${scheme}://${location.host}/live?cursor=${last}`);
  let worked = false;
  opened.onopen = () => {
    worked = true;
    socket = opened;
    status(true, "websocket");
  };
  opened.onmessage = (event) => receive(JSON.parse(event.data));
  opened.onclose = () => {
    socket = null;
    status(false, "reconnecting");
    const failed = worked ? 0 : failures + 1;
    if (failed >= 3 && !worked && !everOpened) poll();
    else setTimeout(() => connect(failed, worked || everOpened), Math.min(500 * 2 ** failed, 8000));
  };
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = textField.value.trim();
  if (!text) return;
  textField.value = "";
  grow();
  if (socket) {
    socket.send(JSON.stringify({ name: me(), text }));
    return;
  }
  try {
    const answer = await fetch("/messages", { method: "POST", body: fields({ name: me(), text }) });
    if (!answer.ok) throw new Error(answer.statusText);
  } catch {
    textField.value = text;
    status(false, "not sent");
  }
});

function grow() {
  textField.style.height = "auto";
  textField.style.height = textField.scrollHeight + 2 + "px";
}
textField.addEventListener("input", grow);
textField.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    form.requestSubmit();
  }
});

document.querySelectorAll(".message").forEach(dress);
list.scrollTop = list.scrollHeight;
if (document.body.dataset.transport === "polling" || !window.WebSocket) poll();
else connect(0, false);
