// Key figures and the table of statistics: every field of the newest entry of the topic, with its unit.

import { clock, duration, element, fixed, moment, setText, significant, decimalsOf } from "./format.js"

// no closing bar takes longer to come through the services
const LATE_MS = 5_000

const STATUS = {
  ok: "ok", warming_up: "warming up", low_coverage: "too few traded bars", constant_leg: "a leg does not move", constant_spread: "the spread does not move",
}

export class Figures {
  constructor(kpis, table, hint, descriptions) {
    this.kpis = kpis
    this.body = table.tBodies[0]
    this.hint = hint
    this.descriptions = descriptions
    this.cells = new Map()
    this.enter = 2
  }

  show({ legs, fields, window, width_ms: width, filled, behind_ms: behind }) {
    const f = fields ?? {}
    const raw = f.price === "raw"
    const z = f.zscore === undefined || f.zscore === null ? null : Number(f.zscore)
    const side = z !== null && Math.abs(z) >= this.enter ? (z > 0 ? "SHORT" : "LONG") : ""
    const halfLife = f.half_life_bars === undefined || f.half_life_bars === null ? null : Number(f.half_life_bars)
    const price = (leg) => (leg.price === null ? "–" : fixed(leg.price, Math.max(2, decimalsOf(leg.price))))
    this.figure("y", legs.y.symbol, price(legs.y), legs.y.price, "y")
    this.figure("x", legs.x.symbol, price(legs.x), legs.x.price, "x")
    this.figure("hedge", raw ? "β units" : "β elasticity", significant(f.hedge_ratio, 4), f.hedge_ratio)
    this.figure("spread", "spread", significant(f.spread, 4), f.spread)
    this.figure("z", side ? `z · ${side}` : "z", fixed(z, 2), f.zscore, side ? side.toLowerCase() : "z")
    this.figure("rho", "ρ", fixed(f.correlation, 3), f.correlation, "rho")
    this.figure("half", "half-life", halfLife === null ? "–" : duration(halfLife * width), f.half_life_bars)

    const unit = raw ? "quote" : "log"
    const rows = [
      ["y", `${legs.y.symbol} close`, price({ price: f.y ?? null }), "quote", f.y],
      ["x", `${legs.x.symbol} close`, price({ price: f.x ?? null }), "quote", f.x],
      ["hedge_ratio", "hedge ratio β", significant(f.hedge_ratio, 6), raw ? "X per Y" : "elasticity", f.hedge_ratio],
      ["intercept", "intercept α", significant(f.intercept, 6), unit, f.intercept],
      ["r_squared", "R²", fixed(f.r_squared, 4), "", f.r_squared],
      ["spread", "spread", significant(f.spread, 5), unit, f.spread],
      ["spread_mean", "spread mean", significant(f.spread_mean, 5), unit, f.spread_mean],
      ["spread_std", "spread σ", significant(f.spread_std, 5), unit, f.spread_std],
      ["zscore", "z-score", fixed(z, 3), side || "σ", f.zscore],
      ["correlation", "correlation ρ", fixed(f.correlation, 4), "returns", f.correlation],
      ["half_life_bars", "half-life", halfLife === null ? "–" : fixed(halfLife, 1), halfLife === null ? "bars" : `bars, ${duration(halfLife * width)}`, f.half_life_bars],
      ["coverage", "window", `${fixed(filled, 0)} of ${fixed(f.window_bars ?? window, 0)}`, f.coverage === undefined ? "bars" : `bars, ${fixed(f.coverage * 100, 0)} %`, f.coverage],
      ["fit", "fit", f.fit ? `${f.fit}, ${raw ? "raw prices" : "log prices"}` : "–", "", f.fit],
      ["status", "status", f.status ? STATUS[f.status] ?? f.status : "–", "", f.status],
      ["open_time_ms", "bar", f.open_time_ms ? moment(Number(f.open_time_ms)) : "–", "UTC", f.open_time_ms],
    ]
    for (const row of rows) this.row(...row)
    const late = behind > LATE_MS
    setText(this.hint, late ? `${duration(behind)} behind the trades` : f.open_time_ms ? `as of ${clock(Number(f.open_time_ms) + width)} UTC` : "")
    this.hint.toggleAttribute("data-late", late)
  }

  figure(name, label, text, exact, tone = "") {
    let cell = this.cells.get(`kpi-${name}`)
    if (!cell) {
      cell = { label: element("dt"), value: element("dd", { id: `kpi-${name}` }) }
      this.kpis.append(element("div", { "data-kpi": name }, cell.label, cell.value))
      this.cells.set(`kpi-${name}`, cell)
    }
    setText(cell.label, label)
    setText(cell.value, text)
    cell.value.parentNode.dataset.tone = tone
    cell.value.dataset.exact = exact ?? ""
  }

  row(name, label, text, unit, exact) {
    let row = this.cells.get(name)
    if (!row) {
      row = { label: element("th", { scope: "row" }), value: element("td", { id: `stat-${name}` }), unit: element("td", { class: "unit" }) }
      this.body.append(element("tr", { title: this.descriptions[name] ?? "" }, row.label, row.value, row.unit))
      this.cells.set(name, row)
    }
    setText(row.label, label)
    setText(row.value, text)
    setText(row.unit, unit)
    row.value.dataset.exact = exact ?? ""
  }
}
