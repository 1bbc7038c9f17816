// The report of the tests: the verdict in words, then the figures of each test.

import { element, fixed, moment, setText } from "./format.js"

export class Report {
  constructor(node, button, window, run) {
    this.node = node
    this.button = button
    this.busy = false
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
    this.node.replaceChildren(element("p", { class: "empty" }, "Engle-Granger in both directions and the ADF test of the spread, over the newest bars. A test of cointegration needs more bars than a z-score: with 300 and a half-life of 30 it finds one pair in ten."))
  }

  refuse(reason) {
    this.setBusy(false)
    this.node.replaceChildren(element("p", { class: "refused" }, element("b", {}, "Not tested. "), reason))
  }

  show(report) {
    this.setBusy(false)
    const rows = report.tests.map((test) => {
      const p = test.p_value
      const critical = Object.entries(test.critical_values ?? {}).map(([level, value]) => `${level} ${fixed(value, 2)}`).join(" · ")
      const details = [
        test.null ? `H₀: ${test.null}` : null, critical ? `critical values ${critical}` : null, test.trend ? `trend ${test.trend}` : null,
        test.lags === null || test.lags === undefined ? null : `lags ${test.lags}`, test.nobs ? `n = ${test.nobs}` : null, test.note ?? null, test.refused ? `not tested: ${test.refused}` : null,
      ].filter(Boolean).join("; ")
      return [
        element("tr", {}, element("th", { scope: "row" }, test.name ?? "test"), element("td", {}, fixed(test.statistic, 3)),
          element("td", { "data-tone": p !== null && p !== undefined && p < 0.05 ? "low" : null }, p !== null && p !== undefined && p < 0.0001 ? "< 0.0001" : fixed(p, 4))),
        element("tr", { class: "details" }, element("td", { colspan: 3 }, details)),
      ]
    })
    this.node.replaceChildren(
      element("p", { class: "verdict" }, report.verdict),
      element("table", { class: "figures tests" },
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "test"), element("th", { scope: "col" }, "statistic"), element("th", { scope: "col" }, "p"))),
        element("tbody", {}, ...rows.flat())),
      element("p", { class: "small" }, `${report.pair}, ${report.interval}, ${report.nobs} of ${report.window_bars} bars, ${moment(report.window_start_ms)} to ${moment(report.bar_ms)} UTC, ${report.price} prices`))
  }
}
