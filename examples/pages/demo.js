"use strict";
// What all demo pages share: the life of a connection (connect, lose, reconnect, disconnect), the
// badge that shows it, a bounded log, a sparkline. Elements are found by their data-testid.

const $ = (name, root = document) => root.querySelector(`[data-testid="${name}"]`);

// The longest wait between two attempts, and how long a connection must last to count as stable.
const MAX_DELAY = 10_000;
const STABLE_AFTER = 5_000;

// Close codes after which trying again cannot help: done, or refused for what we did.
const FINAL_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1009]);
const CODE_NAMES = {
  1000: "normal", 1001: "going away", 1002: "protocol error", 1003: "unsupported data",
  1005: "no code", 1006: "connection lost", 1007: "invalid data", 1008: "policy",
  1009: "too big", 1011: "server error", 1012: "restart", 1013: "try later", 4000: "drop",
};

function clockTime(date = new Date()) {
  const two = (number) => String(number).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** A list of lines with time stamps that forgets the oldest ones. */
class Log {
  constructor(list, limit = 200) {
    this.list = list;
    this.limit = limit;
  }

  add(text, { tag = "", short = false, strong = false } = {}) {
    const list = this.list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 24;
    const line = document.createElement("li");
    const date = new Date();
    const time = document.createElement("time");
    time.dateTime = date.toISOString();
    time.textContent = `${clockTime(date)}.${String(date.getMilliseconds()).padStart(3, "0")}`;
    line.append(time);
    if (tag) {
      const label = document.createElement("b");
      label.className = short ? "tag short" : "tag";
      label.textContent = tag;
      line.append(label);
    }
    const body = document.createElement("span");
    body.textContent = text;
    line.append(body);
    line.classList.toggle("strong", strong);
    list.append(line);
    while (list.children.length > this.limit) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }

  clear() {
    this.list.replaceChildren();
  }
}

/** What a live connection of either kind has: a badge, two buttons, and a plan to come back. */
class Live {
  constructor(name, log) {
    this.name = name;
    this.log = log;
    this.badge = $(`${name}-state`);
    this.badgeText = document.createElement("span");
    this.badgeAside = document.createElement("span");
    this.badgeAside.ariaHidden = "true";
    this.badge?.replaceChildren(this.badgeText, this.badgeAside);
    this.connectButton = $(`${name}-connect`);
    this.disconnectButton = $(`${name}-disconnect`);
    this.attempt = 0;
    this.wanted = false; // whether the user wants it to be connected
    this.connectButton?.addEventListener("click", () => this.connect());
    this.disconnectButton?.addEventListener("click", () => this.disconnect());
    addEventListener("online", () => this.retryTimer && this.connect());
    this.show("closed");
  }

  /** Show a state. `aside` changes often (a countdown), so screen readers are spared it. */
  show(state, detail = "", aside = "") {
    if (this.state !== state) this.onState?.(state);
    this.state = state;
    const text = detail ? `${state} (${detail})` : state;
    if (this.badge) this.badge.dataset.state = state;
    if (this.badgeText.textContent !== text) this.badgeText.textContent = text;
    this.badgeAside.textContent = aside && ` ${aside}`;
    if (this.connectButton) this.connectButton.disabled = state === "open" || state === "connecting";
    if (this.disconnectButton) this.disconnectButton.disabled = state === "closed";
  }

  note(text, strong = false) {
    this.log?.add(text, { tag: this.name, strong });
  }

  connect() {
    this.stopTimers();
    this.wanted = true;
    this.show("connecting");
    this.hintTimer = setTimeout(() => {
      this.note("still waiting; over HTTP/1.1 a browser opens only six connections to one server, "
        + "so another tab may hold them all");
    }, 4000);
    this.open();
  }

  opened() {
    this.stopTimers();
    this.show("open");
    this.note("open", true);
    this.stableTimer = setTimeout(() => { this.attempt = 0; }, STABLE_AFTER);
  }

  ended(detail, text) {
    this.stopTimers();
    this.wanted = false;
    this.show("closed", detail);
    this.note(text);
  }

  /** Wait for a time that doubles with each attempt, half of it random, then connect again. */
  retry(text) {
    this.stopTimers();
    const ceiling = Math.min(MAX_DELAY, 1000 * 2 ** this.attempt);
    this.attempt += 1;
    const delay = ceiling * (0.5 + Math.random() / 2);
    this.note(`${text}; attempt ${this.attempt} in ${(delay / 1000).toFixed(1)} s`);
    const due = performance.now() + delay;
    const count = () => {
      const left = Math.max(1, Math.ceil((due - performance.now()) / 1000));
      this.show("reconnecting", "", `in ${left} s`);
    };
    count();
    this.countTimer = setInterval(count, 250);
    this.retryTimer = setTimeout(() => this.connect(), delay);
  }

  stopTimers() {
    clearTimeout(this.hintTimer);
    clearTimeout(this.stableTimer);
    clearTimeout(this.retryTimer);
    clearInterval(this.countTimer);
    this.retryTimer = 0;
  }
}

/** A WebSocket that comes back after any end that nobody asked for. */
class LiveSocket extends Live {
  constructor(name, path, { log, onMessage, onState }) {
    super(name, log);
    this.path = path;
    this.onMessage = onMessage;
    this.onState = onState;
    this.socket = null;
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  open() {
    this.dropped = false;
    const url = new URL(typeof this.path === "function" ? this.path() : this.path, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => this.opened();
    socket.onmessage = (event) => this.onMessage(event.data);
    socket.onclose = (event) => socket === this.socket && this.closed(event);
  }

  closed({ code, reason }) {
    this.socket = null;
    const name = CODE_NAMES[code] ?? "";
    const why = [code, reason || name].filter(Boolean).join(", ");
    if (this.wanted && (this.dropped || !FINAL_CODES.has(code))) this.retry(`closed (${why})`);
    else this.ended(why, `closed (${why})`);
  }

  send(data) {
    if (this.isOpen) this.socket.send(data);
  }

  sendJSON(data) {
    this.send(JSON.stringify(data));
  }

  disconnect() {
    this.wanted = false;
    this.attempt = 0;
    if (this.socket) this.socket.close(1000, "disconnected by the user");
    else this.ended("by you", "no further attempts");
  }

  /** Leave this connection, if there is one, for a new one. */
  reconnect() {
    const old = this.socket;
    this.socket = null; // so that its close event is nobody's any more
    old?.close(1000, "moved");
    this.attempt = 0;
    this.connect();
  }

  /** Close as if something had gone wrong on the way, to see the reconnection at work. */
  drop() {
    this.dropped = true;
    this.socket?.close(4000, "simulated drop");
  }
}

/** An EventSource. The browser itself reconnects, with the Last-Event-ID; we show that it does. */
class LiveSource extends Live {
  constructor(name, path, { log, event = "message", onData, onState, pauseWhenHidden = false }) {
    super(name, log);
    this.path = path;
    this.event = event;
    this.onData = onData;
    this.onState = onState;
    this.source = null;
    this.events = 0;
    this.idField = $(`${name}-last-id`);
    this.countField = $(`${name}-events`);
    if (pauseWhenHidden) document.addEventListener("visibilitychange", () => this.pause());
  }

  open() {
    this.setLastId("");
    const source = new EventSource(this.path);
    this.source = source;
    source.onopen = () => {
      if (this.lastId) this.note(`asked to go on after Last-Event-ID ${this.lastId}`);
      this.opened();
    };
    source.addEventListener(this.event, (event) => this.receive(event));
    source.onerror = () => this.failed();
  }

  receive(event) {
    this.setLastId(event.lastEventId);
    this.events += 1;
    if (this.countField) this.countField.textContent = this.events.toLocaleString("en");
    this.onData(JSON.parse(event.data), event);
  }

  setLastId(id) {
    this.lastId = id;
    if (this.idField) this.idField.textContent = id || "none";
  }

  failed() {
    if (this.source.readyState === EventSource.CLOSED) {
      // Not an event stream, or an error status: the browser gives up, so we take over.
      this.source = null;
      this.retry("refused");
    } else if (this.state !== "reconnecting") {
      this.stopTimers();
      this.note(this.lastId ? `lost; reconnecting with Last-Event-ID ${this.lastId}` : "lost; reconnecting");
      const since = performance.now();
      const count = () => {
        const seconds = Math.floor((performance.now() - since) / 1000);
        this.show("reconnecting", "", `for ${seconds} s`);
      };
      count();
      this.countTimer = setInterval(count, 250);
    }
  }

  connect() {
    this.source?.close();
    super.connect();
  }

  disconnect() {
    this.source?.close();
    this.source = null;
    this.attempt = 0;
    this.ended("by you", "closed by you");
  }

  /** Free this stream's connection while nobody looks: a browser has only six for one server. */
  pause() {
    if (document.hidden && this.wanted) {
      this.disconnect();
      this.show("closed", "page hidden");
      this.paused = true;
    } else if (!document.hidden && this.paused) {
      this.paused = false;
      this.connect();
    }
  }
}

/** Draw `values` into an inline SVG with three paths: area, line and dot. */
function drawSpark(svg, values) {
  const [area, line, dot] = svg.querySelectorAll("path");
  if (values.length < 2) {
    for (const path of [area, line, dot]) path.setAttribute("d", "");
    return;
  }
  const { width, height } = svg.viewBox.baseVal;
  const low = Math.min(...values);
  const span = Math.max(...values) - low || 1;
  const x = (index) => (index / (values.length - 1)) * width;
  const y = (value) => height - 2 - ((value - low) / span) * (height - 4);
  const points = values.map((value, index) => `${x(index).toFixed(2)} ${y(value).toFixed(2)}`);
  line.setAttribute("d", `M${points.join("L")}`);
  area.setAttribute("d", `M0 ${height}L${points.join("L")}L${width} ${height}Z`);
  dot.setAttribute("d", `M${points.at(-1)}h0`);
}

/** Keep the newest `limit` values, and draw them. */
class Spark {
  constructor(svg, limit = 60) {
    this.svg = svg;
    this.limit = limit;
    this.values = [];
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > this.limit) this.values.shift();
    drawSpark(this.svg, this.values);
  }
}

const milliseconds = (value) => value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : value.toFixed(0);
