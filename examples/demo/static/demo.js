"use strict";

// Tabs within the page: closing one ends its request, as closing the browser's tab does.
const tabs = document.getElementById("tabs");
let opened = 0;

function openTab() {
  const number = ++opened;
  const tab = document.createElement("div");
  tab.className = "tab";
  const bar = document.createElement("div");
  bar.className = "bar";
  const name = document.createElement("b");
  name.textContent = `Tab ${number}`;
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "Close";
  close.setAttribute("aria-label", `Close tab ${number}`);
  close.addEventListener("click", () => tab.remove());
  const frame = document.createElement("iframe");
  frame.title = `Tab ${number}`;
  frame.src = "/wait";
  bar.append(name, close);
  tab.append(bar, frame);
  tabs.prepend(tab);
}

document.getElementById("open").addEventListener("click", openTab);

// What the server says of its requests.
const STATES = {
  waiting: (each) => `waits, with ${each.tasks} tasks`,
  gone: (each) => `ended after ${each.seconds} s: its client has gone; ${each.tasks} tasks left`,
  done: (each) => `done after ${each.seconds} s`,
};

function show(waits) {
  document.getElementById("none").hidden = waits.length > 0;
  document.getElementById("list").replaceChildren(...waits.map((each) => {
    const line = document.createElement("li");
    line.className = each.state;
    line.dataset.number = each.number;
    const name = document.createElement("b");
    name.textContent = `GET /wait, request ${each.number}`;
    const state = document.createElement("span");
    state.className = "state";
    state.textContent = STATES[each.state](each);
    line.append(name, state);
    return line;
  }));
}

new EventSource("/waits").addEventListener("message", (event) => show(JSON.parse(event.data)));
