// The page: its controls, the address that remembers them, and the wire to the server.

import { Alerts } from "./alerts.js"
import { Chart } from "./chart.js"
import { Feed } from "./feed.js"
import { Figures } from "./figures.js"
import { clock, element, setText } from "./format.js"
import { Report } from "./report.js"

const LISTED_SYMBOLS = 8

const node = (id) => document.getElementById(id)
const chart = new Chart(node("stage"), node("plot"), node("live"))
const feed = new Feed(node("feed"), node("banner"), node("stage"))
const figures = new Figures(node("kpis"), node("statistics"), node("statistics-hint"), JSON.parse(node("descriptions").textContent))
const alerts = new Alerts(node("alerts"), node("alerts-hint"), node("alerts-note"))
const report = new Report(node("report"), node("test"), node("test-window"), (window) => send({ type: "test", window }))

let wire = null
let view = null
let choices = null
let refusal = ""
let summary = null

function send(message) {
  wire?.send_msg(message)
}

function wanted() {
  const query = new URLSearchParams(location.search)
  return { pair: query.get("pair"), interval: query.get("interval"), window: query.get("window") }
}

function choose(changes, { keep = true } = {}) {
  const next = { pair: view?.pair ?? null, interval: view?.interval ?? null, window: view && view.window !== view.configured ? view.window : null, ...changes }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(next)) if (value) query.set(name, value)
  history[keep ? "pushState" : "replaceState"](null, "", `?${query.toString().replaceAll("%7E", "~")}`)
  send({ type: "show", ...next })
}

function onView(message) {
  view = message
  refusal = ""
  const [y, x] = message.pair.split("~")
  const same = chart.view && chart.view.pair === message.pair && chart.view.interval === message.interval && chart.view.id === message.view
  if (!same) {
    chart.show({ id: message.view, pair: message.pair, y, x, interval: message.interval, widthMs: chart.view?.widthMs ?? 1000 })
    chart.decimals = { y: 2, x: 2 }
    report.setBusy(false)
    report.nothing()
    feed.restart()
    summary = null
  }
  document.title = `${message.pair} ${message.interval} · Pairstream`
  setText(node("chart-title"), `${y} / ${x}   ${message.interval}   window ${message.window}`)
  alerts.setWindow(message.window, message.configured)
  const query = new URLSearchParams({ pair: message.pair, interval: message.interval, ...(message.window === message.configured ? {} : { window: message.window }) })
  history.replaceState(null, "", `?${query.toString().replaceAll("%7E", "~")}`)
  showControls()
}

function onUpdate(message) {
  feed.hear(message.status)
  send({ type: "got" })
  if (message.choices) onChoices(message.choices)
  if (message.alerts) alerts.apply(message.alerts)
  if (!view || message.view !== view.view) return
  if (message.summary) {
    figures.show(message.summary)
    chart.view.widthMs = message.summary.width_ms
    chart.view.priceKind = message.summary.fields?.price
    for (const role of ["y", "x"]) chart.setDecimals(role, message.summary.fields?.[role])
    summary = message.summary
  }
  if (summary) showNote(summary)
  if (message.report) report.show(message.report)
  if (message.chart) chart.apply(message.chart)
  report.date({ restartMs: chart.restartMs, newestMs: chart.newestMs, widthMs: chart.view.widthMs })
  alerts.setDay(feed.now() ?? chart.newestMs)
  // a variant's row has alerts of its own or none: those of another window are not its
  if (message.alerts || message.chart) {
    chart.setAlerts(alerts.rows.filter((a) => a.pair === view.row && a.interval === view.interval && a.kind === "zscore" && a.state === "fired"))
  }
}

function onChoices(next) {
  choices = next
  chart.setThresholds(next.z_enter, next.z_exit)
  figures.enter = next.z_enter
  alerts.setThreshold(next.z_enter)
  showControls()
}

// why there is no z-score yet, in one line
function showNote({ legs, fields, filled, window, width_ms: width }) {
  let text = ""
  const z = fields?.zscore
  const strangers = ["y", "x"].map((role) => legs[role]).filter((leg) => !leg.bars && choices?.symbols.length && !choices.symbols.includes(leg.symbol))
  if (strangers.length) text = unfollowed(strangers.map((leg) => leg.symbol))
  else if (refusal) text = refusal
  else if (!fields) {
    const missing = ["y", "x"].map((role) => legs[role]).filter((leg) => !leg.bars)
    const now = feed.now()
    if (missing.length) text = `Waiting for the first ${view.interval} bar of ${missing.map((leg) => leg.symbol).join(" and ")}${now === null ? "" : `; it closes at ${clock((Math.floor(now / width) + 1) * width)} UTC`}`
    else text = view.row ? `Warming up: ${Math.min(filled, window)} of ${window} bars` : `Window of ${window} bars: asking for it …`
  } else if (fields.status === "warming_up") text = `Warming up: ${filled} of ${fields.window_bars} bars`
  else if (fields.status === "low_coverage") text = `Only ${filled} of ${fields.window_bars} bars have trades: no statistics`
  else if (z === null) text = fields.status === "constant_leg" ? "A leg does not move: no statistics" : "The spread does not move: no z-score"
  node("note").hidden = !text
  setText(node("note"), text)
}

function unfollowed(symbols) {
  const followed = choices.symbols
  const listed = followed.length > LISTED_SYMBOLS ? `${followed.slice(0, LISTED_SYMBOLS).join(", ")} and ${followed.length - LISTED_SYMBOLS} more` : followed.join(", ")
  return `${symbols.join(" and ")} ${symbols.length > 1 ? "have no bars: they are" : "has no bars: it is"} not among the followed symbols (${listed})`
}

function fill(parent, values, current, onPick, label = (v) => v) {
  const key = values.join()
  if (parent.dataset.key !== key) {
    parent.dataset.key = key
    parent.querySelectorAll("button").forEach((button) => button.remove())
    for (const value of values) {
      const button = element("button", { type: "button", "data-value": value }, "")
      button.addEventListener("click", () => onPick(value))
      parent.append(button)
    }
  }
  for (const button of parent.querySelectorAll("button")) {
    setText(button, label(button.dataset.value))
    button.setAttribute("aria-pressed", String(button.dataset.value === current))
  }
}

function showControls() {
  if (!view || !choices) return
  const [y, x] = view.pair.split("~")
  const pairs = choices.pairs.includes(view.pair) ? choices.pairs : [view.pair, ...choices.pairs]
  const select = node("pair")
  if (select.dataset.key !== pairs.join()) {
    select.dataset.key = pairs.join()
    select.replaceChildren(...pairs.map((pair) => element("option", { value: pair }, pair.replace("~", " / "))))
  }
  select.value = view.pair
  fill(node("intervals"), choices.intervals, view.interval, (interval) => choose({ interval, window: null }))
  fill(node("modes"), ["both", "y", "x"], chart.mode, setMode, (mode) => ({ both: "both legs", y: `${y} candles`, x: `${x} candles` })[mode])
  if (document.activeElement !== node("window")) node("window").value = view.window
  const links = [
    [`export/ticks/${encodeURIComponent(y)}`, `${y} ticks`],
    [`export/ticks/${encodeURIComponent(x)}`, `${x} ticks`],
    [`export/pairs/${view.interval}/${encodeURIComponent(view.row ?? view.pair)}`, "bars + statistics"],
  ]
  const nav = node("downloads")
  if (nav.dataset.key !== JSON.stringify(links)) {
    nav.dataset.key = JSON.stringify(links)
    nav.replaceChildren(element("span", {}, "CSV:"), ...links.map(([href, text]) => element("a", { href, download: true }, text)))
  }
}

function setMode(mode) {
  chart.setMode(mode)
  showControls()
}

function notice(text) {
  const line = element("p", { class: "notice", role: "alert" }, text)
  document.body.append(line)
  setTimeout(() => line.remove(), 6_000)
}

function onMessage(message) {
  feed.hear(null)
  if (message.type === "update") onUpdate(message)
  else if (message.type === "view") onView(message)
  else if (message.type === "again") send({ type: "show", ...wanted() })
  else if (message.type === "notice") notice(message.text)
  else if (message.view === view?.view) {
    if (message.type === "refused") {
      refusal = `No statistics: ${message.text}`
      if (summary) showNote(summary)
    } else if (message.type === "tested" && message.refused) report.refuse(message.refused)
    else if (message.type === "tested") report.show(message.report)
  }
}

node("pair").addEventListener("change", (event) => choose({ pair: event.target.value, window: null }))
node("swap").addEventListener("click", () => view && choose({ pair: view.pair.split("~").reverse().join("~"), window: null }))
node("window").addEventListener("change", (event) => choose({ window: event.target.value }))
node("choose").addEventListener("submit", (event) => event.preventDefault())
// let the server forget this page at once; one that the browser brings back from its cache starts anew
window.addEventListener("pagehide", () => send({ type: "bye" }))
window.addEventListener("pageshow", (event) => event.persisted && location.reload())
window.addEventListener("popstate", () => send({ type: "show", ...wanted() }))

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return
  const stage = event.target.closest("#stage")
  const interval = choices?.intervals[Number(event.key) - 1]
  const keys = {
    "/": () => node("pair").focus(), "+": () => chart.zoom(0.7), "-": () => chart.zoom(1.4), 0: () => chart.reset(), l: () => chart.follow(), a: () => node("test").click(),
    ...(stage ? { ArrowLeft: () => chart.pan(-0.15), ArrowRight: () => chart.pan(0.15) } : {}),
    ...(interval ? { [event.key]: () => choose({ interval, window: null }) } : {}),
  }
  const act = keys[event.key]
  if (!act) return
  event.preventDefault()
  act()
})

document.addEventListener("pairstream:wire", ({ detail: model }) => {
  wire = model
  model.on("msg:custom", onMessage)
  send({ type: "show", ...wanted() })
})
