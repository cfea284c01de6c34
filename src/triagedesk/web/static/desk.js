// The page's only script: times in the viewer's zone, what is left of an SLA, live rows, keys.
// Everything works without it; it only saves reloading and reaching for the mouse.
const $ = (what, from = document) => from.querySelector(what);
const all = (what, from = document) => [...from.querySelectorAll(what)];
const root = document.documentElement, body = document.body, lang = root.lang === "en" ? "en-GB" : root.lang;

// Times
const forms = {
  time: new Intl.DateTimeFormat(lang, {day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit"}),
  day: new Intl.DateTimeFormat(lang, {day: "numeric", month: "short", year: "numeric"}),
};
const full = new Intl.DateTimeFormat(lang, {dateStyle: "full", timeStyle: "long"});
function left(ms) {
  const s = Math.trunc(Math.abs(ms) / 1000), d = Math.floor(s / 86400), h = Math.floor(s % 86400 / 3600), m = Math.floor(s % 3600 / 60);
  return (ms <= -1000 ? "−" : "") + (d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : `${m} min`);
}
function times(from) {
  for (const name in forms) for (const el of all(`time[data-${name}]:not([title])`, from)) {
    const at = new Date(el.dateTime);
    el.textContent = forms[name].format(at);
    el.title = full.format(at);
  }
  count(from);
}
function count(from) {
  for (const el of all("time[data-due]", from)) {
    const ms = new Date(el.dateTime) - Date.now(), text = left(ms);
    if (el.textContent !== text) el.textContent = text;
    el.classList.toggle("breached", ms < 0);
    el.classList.toggle("at_risk", ms >= 0 && !!el.dataset.warn && new Date(el.dataset.warn) <= Date.now());
  }
}
setInterval(() => document.hidden || count(document), 10000);

// Say something to those who look and those who listen
let hush;
function say(text) {
  const el = $("#live");
  el.textContent = text;
  clearTimeout(hush);
  hush = setTimeout(() => el.textContent = "", 4000);
}

// Exchange only <main>
// The last one asked for is shown, whichever answer comes last.
let turn = 0, inHand = 0;
async function swap(url, options, push = true) {
  const mine = ++turn;
  inHand++;
  try { return await exchange(url, options, push, () => mine === turn); } finally { inHand--; }
}
async function exchange(url, options, push, isLast) {
  const focused = document.activeElement, mark = focused && (focused.id ? "#" + CSS.escape(focused.id) : focused.name ? `[name="${CSS.escape(focused.name)}"]` : ""), caret = focused?.selectionStart;
  let answer;
  try {
    answer = await fetch(url, {...options, headers: {accept: "text/html"}});
  } catch { return false; }
  if (!(answer.headers.get("content-type") || "").startsWith("text/html")) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html"), main = $("main", page);
  if (!main) return false;
  if (!isLast()) return true;
  for (const open of all("dialog[open]")) open.close();
  $("main").replaceWith(main);
  document.title = page.title;
  if (push && answer.url !== location.href) history.pushState(null, "", answer.url);
  arrive();
  const again = mark && $(mark);
  if (again && again.offsetParent) {
    again.focus({preventScroll: true});
    if (caret != null && again.setSelectionRange && again.type === "search") again.setSelectionRange(caret, caret);
  } else main.focus({preventScroll: true});
  return true;
}
addEventListener("popstate", () => swap(location.href, {}, false).then(done => done || location.reload()));
document.addEventListener("submit", event => {
  const form = event.target;
  if (!("swap" in form.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  const data = new URLSearchParams(new FormData(form, event.submitter));
  if (form.method === "post") {
    if (form.ariaBusy) return;
    form.ariaBusy = "true";
    swap(form.action, {method: "POST", body: data}).then(done => { form.ariaBusy = null; if (!done) say(body.dataset.liveLost); });
  } else {
    for (const [name, value] of [...data]) if (!value) data.delete(name);
    const url = form.getAttribute("action") + (data.size ? "?" + data : "");
    swap(url).then(done => done || location.assign(url));
  }
});
document.addEventListener("click", event => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const link = event.target.closest("a[data-swap]"), opener = event.target.closest("[data-open]"), closer = event.target.closest("[data-close]");
  const page = event.target.closest("a[data-dialog]"), back = event.target.closest("a[data-back]");
  if (back) back.href = sessionStorage.queue || back.href;
  if (page) {
    event.preventDefault();
    inDialog(page.href).then(done => done || location.assign(page.href));
  } else if (closer?.closest("dialog")) {
    event.preventDefault();
    closer.closest("dialog").close();
  } else if (link) {
    event.preventDefault();
    swap(link.href).then(done => done || location.assign(link.href));
  } else if (opener) show(opener.dataset.open);
  for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});
function show(id) {
  const dialog = document.getElementById(id);
  if (!dialog || dialog.open) return;
  dialog.showModal();
  ($("[autofocus]", dialog) || $("input:not([type=hidden]):not([disabled]), select, textarea, button", dialog))?.focus();
}
document.addEventListener("change", event => {
  if ("themeChoice" in event.target.dataset) root.dataset.theme = event.target.value;
  if ("send" in event.target.dataset) event.target.form.requestSubmit();
});
async function inDialog(url) {
  const page = await part(url), title = page && $("h1", page);
  if (!title) return false;
  const dialog = document.createElement("dialog"), from = document.activeElement;
  dialog.setAttribute("aria-labelledby", title.id);
  dialog.append(...page.childNodes);
  body.append(dialog);
  times(dialog);
  dialog.addEventListener("close", () => { dialog.remove(); from?.isConnected && from.focus(); });
  dialog.id = "asked";
  show("asked");
  return true;
}
async function part(url) {
  try {
    const answer = await fetch(url, {headers: {accept: "text/html"}});
    return answer.ok ? $("main", new DOMParser().parseFromString(await answer.text(), "text/html")) : null;
  } catch { return null; }
}
async function load() {
  for (const place of all("[data-load]")) {
    const page = await part(place.dataset.load), fresh = page && $("section", page);
    if (fresh && place.isConnected) { place.replaceWith(fresh); times(fresh); }
  }
}
let typing;
document.addEventListener("input", event => {
  const el = event.target;
  if ("search" in el.dataset) {
    clearTimeout(typing);
    typing = setTimeout(() => el.form.requestSubmit(), 250);
  } else if ("narrow" in el.dataset) narrow(el);
});

// Type-ahead: a list of radio buttons narrowed by what is typed
function narrow(input) {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean), list = document.getElementById(input.dataset.narrow);
  let first = null;
  for (const item of all("label", list)) {
    const text = item.textContent.toLowerCase(), fits = words.every(word => text.includes(word));
    item.hidden = !fits;
    if (fits && !first) first = item;
  }
  for (const group of all("fieldset", list)) group.hidden = !$("label:not([hidden])", group);
  if (words.length && first) $("input", first).checked = true;
  if (!first) say(body.dataset.nothing);
}
document.addEventListener("keydown", event => {
  const el = event.target;
  if (el.dataset && "narrow" in el.dataset && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
    event.preventDefault();
    const items = all("label:not([hidden]) input", document.getElementById(el.dataset.narrow));
    const at = items.findIndex(item => item.checked), next = items[(at + (event.key === "ArrowDown" ? 1 : -1) + items.length) % items.length];
    if (next) { next.checked = true; next.closest("label").scrollIntoView({block: "nearest"}); }
  }
});

// Live sections
let pause = 2000, lost = false;
async function look() {
  const section = $("[data-live]");
  if (section && !document.hidden && !$("main dialog[open]")) {
    try {
      const url = section.dataset.live, join = url.includes("?") ? "&" : "?";
      const answer = await fetch(`${url}${join}since=${section.dataset.rev}`, {headers: {"x-live": "1"}});
      if (answer.status === 401) return location.reload();
      if (answer.status >= 400) throw answer.status;
      if (lost) say(body.dataset.liveBack);
      lost = false;
      pause = 2000;
      const rev = answer.headers.get("x-rev");
      if (section.isConnected) {
        if (answer.status === 205) inHand || await swap(location.href, {}, false);
        else if (answer.status === 200) merge(section, await answer.text());
        if (section.isConnected && rev) section.dataset.rev = rev;
      }
    } catch {
      if (!lost) say(body.dataset.liveLost);
      lost = true;
      pause = Math.min(pause * 2, 30000);
    }
  }
  setTimeout(look, pause);
}
function merge(section, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  times(template.content);
  const list = $("[data-rows]", section);
  // Rows come in a table: beside other elements no parser takes them.
  for (const fresh of [...template.content.children].flatMap(el => el.matches("table:not([id])") ? [...el.rows] : [el])) {
    const old = fresh.id && document.getElementById(fresh.id);
    if ("gone" in fresh.dataset) { old?.remove(); continue; }
    if (old && old.isEqualNode(fresh)) continue;
    if (old && (old.contains($("dialog[open]")) || $("form[data-dirty]", old))) continue;
    if (old && old.dataset.order === fresh.dataset.order) { keepFocus(old, fresh, () => old.replaceWith(fresh)); changed(fresh, true); continue; }
    if (!list || !fresh.dataset.order) continue;
    const next = all("[data-order]", list).find(row => row !== old && row.dataset.order > fresh.dataset.order);
    keepFocus(old, fresh, () => { old?.remove(); list.insertBefore(fresh, next || null); });
    changed(fresh, true);
  }
}
function changed(el, mark) { if (mark && el.dataset.order) el.classList.add("new"); }
function keepFocus(old, fresh, exchange) {
  const had = document.activeElement;
  const inside = old && old.contains(had) ? all("a,button,input,select,summary", old).indexOf(had) : -1;
  const at = inside >= 0 ? had.getBoundingClientRect().top : 0;
  exchange();
  if (inside < 0) return;
  const target = all("a,button,input,select,summary", fresh)[inside] || $("a,button", fresh);
  target?.focus({preventScroll: true});
  if (target && at) scrollBy(0, target.getBoundingClientRect().top - at);
}

// Keys
let chord = "";
const links = {q: "/queue", r: "/review", m: "/mine", s: "/sla", a: "/agents"};
document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const key = event.key, inField = event.target.closest("input:not([type=radio]):not([type=checkbox]), select, textarea");
  if (key === "Escape") { for (const menu of all("details.menu[open]")) { menu.open = false; $("summary", menu).focus(); } if (inField) event.target.blur(); return; }
  if (inField || $("dialog[open]")) return;
  if (chord) { chord = ""; if (links[key]) { event.preventDefault(); location.assign(links[key]); } return; }
  if (key === "g") { chord = key; setTimeout(() => chord = "", 1500); return; }
  if (key === "j" || key === "k") {
    const rows = all("[data-row]"), at = rows.indexOf(document.activeElement), next = rows[at < 0 ? 0 : at + (key === "j" ? 1 : -1)];
    if (next) { event.preventDefault(); next.focus(); next.scrollIntoView({block: "nearest"}); }
    return;
  }
  const target = key === "?" ? $('[data-open="keys"]') : key === "/" ? $("[data-search]") : key.length === 1 ? $(`[data-key="${CSS.escape(key)}"]`) : null;
  if (!target) return;
  event.preventDefault();
  if (target.matches("input")) { target.focus(); target.select(); } else target.click();
});

function arrive() {
  times(document);
  load();
  if (location.pathname === "/queue") sessionStorage.queue = location.href;
  if (location.search.includes("did=")) {
    // Said once: not again when the page is loaded anew.
    const url = new URL(location);
    url.searchParams.delete("did");
    history.replaceState(null, "", url);
  }
}
arrive();
setTimeout(look, pause);

// Review, agents, reports: the piece in hand has the focus; "/" opens a choice where nothing is searched
document.addEventListener("focusin", event => {
  if (event.target.matches("main")) $("[data-focus]", event.target)?.focus({preventScroll: true});
});
$("main [data-focus]")?.focus({preventScroll: true});
document.addEventListener("keydown", event => {
  const opener = event.key === "/" && $("[data-slash]");
  if (!opener || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || $("dialog[open]") || event.target.closest("input, select, textarea")) return;
  event.preventDefault();
  opener.click();
});
// What was marked as new is like any other once it has been seen
document.addEventListener("animationend", event => {
  const el = event.target;
  if (event.animationName !== "new") return;
  el.classList.remove("new");
  if (!el.className) el.removeAttribute("class");
});
