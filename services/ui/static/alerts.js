// The alert log: newest first, each once, with the numbers behind it on demand.

import { clock, day, element, fixed, moment, setText } from "./format.js"

const KEPT = 200

export class Alerts {
  constructor(list, hint, note) {
    this.list = list
    this.hint = hint
    this.note = note
    this.day = ""
    this.rows = []
    this.ids = new Set()
    this.threshold = 2
    this.empty()
  }

  apply({ reset, rows }) {
    if (reset) {
      this.rows = []
      this.ids.clear()
      this.list.replaceChildren()
    }
    for (const row of rows) {
      if (this.ids.has(row.id)) continue
      this.ids.add(row.id)
      this.rows.push(row)
      this.list.querySelector(".empty")?.remove()
      this.list.prepend(this.item(row))
    }
    while (this.rows.length > KEPT) {
      this.ids.delete(this.rows.shift().id)
      this.list.lastElementChild.remove()
    }
    this.empty()
  }

  setThreshold(threshold) {
    this.threshold = threshold
    const line = this.list.querySelector(".empty")
    if (line) setText(line, this.nothing())
  }

  // the data's current day: alerts of other days show theirs
  setDay(ms) {
    const today = ms === null ? "" : day(ms)
    if (today === this.day) return
    this.day = today
    for (const cell of this.list.querySelectorAll(".day")) this.date(cell)
  }

  date(cell) {
    setText(cell, cell.dataset.day === this.day ? "" : cell.dataset.day)
  }

  // the shown window, if it is another than that of the rules
  setWindow(shown, configured) {
    this.note.hidden = shown === configured
    setText(this.note, `Alerts follow the configured window of ${fixed(configured, 0)} bars, not the shown ${fixed(shown, 0)}.`)
  }

  nothing() {
    return `No alerts yet. Threshold |z| ≥ ${fixed(this.threshold, 1)}`
  }

  empty() {
    if (!this.rows.length && !this.list.querySelector(".empty")) this.list.append(element("li", { class: "empty" }, this.nothing()))
    setText(this.hint, this.rows.length ? `${this.rows.length} kept` : "")
  }

  item(row) {
    const fired = row.state === "fired"
    const side = fired && row.kind === "zscore" ? (row.value > 0 ? "SHORT" : "LONG") : row.state.toUpperCase()
    const numbers = Object.entries(row.explain ?? {}).map(([name, value]) => `${name} ${typeof value === "object" ? JSON.stringify(value) : value}`)
    const date = element("span", { class: "day", "data-day": day(row.bar_ms) })
    this.date(date)
    return element("li", { "data-id": row.id, "data-side": side.toLowerCase() },
      element("details", {},
        element("summary", {},
          element("time", { title: `${moment(row.bar_ms)} UTC` }, clock(row.bar_ms)),
          element("b", {}, row.pair.split("~")[0], "/", element("wbr"), row.pair.split("~")[1]),
          element("span", { class: "way" }, side),
          element("span", { class: "value" }, `${row.kind === "zscore" ? "z" : row.kind} ${fixed(row.value, 2)}`),
          date,
          element("span", { class: "rule" }, `${row.interval} · ${row.rule}`)),
        element("p", {}, `${row.rule}: ${row.state} at ${moment(row.bar_ms)} UTC, ${fixed(row.value, 4)} against ${fixed(row.threshold, 2)}. ${numbers.join(", ")}`)))
  }
}
