// The report of the tests: the verdict in words, then the figures of each test.

import { clock, day, duration, element, fixed, moment, setText } from "./format.js"

export class Report {
  constructor(node, button, window, run) {
    this.node = node
    this.button = button
    this.busy = false
    this.shown = null
    button.addEventListener("click", () => {
      if (this.busy) return
      this.setBusy(true)
      run(window.value)
    })
    this.nothing()
  }

  setBusy(busy) {
    this.busy = busy
    this.button.disabled = busy
    this.button.setAttribute("aria-busy", String(busy))
    setText(this.button, busy ? "Running …" : "Run tests")
  }

  nothing() {
    this.shown = null
    this.node.replaceChildren(element("p", { class: "empty" }, "Engle-Granger in both directions and the ADF test of the spread, over the newest bars. A test of cointegration needs more bars than a z-score: with 300 and a half-life of 30 it finds one pair in ten."))
  }

  refuse(reason) {
    this.setBusy(false)
    this.shown = null
    this.node.replaceChildren(element("p", { class: "refused" }, element("b", {}, "Not tested. "), reason))
  }

  show(report) {
    this.setBusy(false)
    this.shown = report
    this.stamp = element("p", { class: "small stamp" })
    const rows = report.tests.map((test) => {
      const p = test.p_value
      const critical = Object.entries(test.critical_values ?? {}).map(([level, value]) => [parseFloat(level), value]).sort((a, b) => a[0] - b[0])
      const details = test.refused ? `not tested: ${test.refused}` : [
        critical.length ? critical.map(([level, value]) => `${level} %: ${fixed(value, 2)}`).join(", ") : null,
        test.lags === null || test.lags === undefined ? null : `lags ${test.lags}`, test.nobs ? `n ${fixed(test.nobs, 0)}` : null,
      ].filter(Boolean).join(" · ")
      return [
        element("tr", {}, element("th", { scope: "row" }, test.name ?? "test"), element("td", {}, fixed(test.statistic, 3)),
          element("td", { "data-tone": p !== null && p !== undefined && p < 0.05 ? "low" : null }, p !== null && p !== undefined && p < 0.0001 ? "< 0.0001" : fixed(p, 4))),
        element("tr", { class: "details" }, element("td", { colspan: 3 }, details)),
      ]
    })
    const notes = new Set(report.tests.flatMap((test) => [test.null ? `H₀: ${test.null}.` : null, test.note]).filter(Boolean))
    this.node.replaceChildren(
      element("p", { class: "verdict" }, report.verdict),
      this.stamp,
      element("table", { class: "figures tests" },
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "test, critical values"), element("th", { scope: "col" }, "statistic"), element("th", { scope: "col" }, "p"))),
        element("tbody", {}, ...rows.flat())),
      element("details", { class: "notes" }, element("summary", {}, "hypotheses, notes and bars"),
        ...[...notes].map((note) => element("p", { class: "small" }, note)),
        element("p", { class: "small" }, `${report.pair}, ${report.interval}, ${fixed(report.nobs, 0)} of ${fixed(report.window_bars, 0)} bars, ${moment(report.window_start_ms)} to ${moment(report.bar_ms)} UTC, ${report.price} prices`)))
  }

  // what the report is of, and whether the bars have gone on too far since
  date({ newestMs, restartMs, widthMs }) {
    const report = this.shown
    if (!report) return
    const behind = newestMs === null ? 0 : newestMs - report.bar_ms
    let older = ""
    if (restartMs > report.bar_ms || behind < -widthMs) older = "older: the source has begun anew since"
    else if (behind > report.window_bars * widthMs) older = `older: ${duration(behind)} ago, more than its window`
    const at = newestMs !== null && day(newestMs) === day(report.bar_ms) ? clock(report.bar_ms) : moment(report.bar_ms)
    setText(this.stamp, [`as of bar ${at} UTC, ${fixed(report.nobs, 0)} bars`, older].filter(Boolean).join(" · "))
    this.stamp.toggleAttribute("data-older", Boolean(older))
  }
}
