// The chart: three rows on one time axis, drawn from the page's own columns. It moves only while it follows.

import { Series } from "./series.js"
import { clock, decimalsOf, fixed, significant } from "./format.js"

const COLOURS = {
  y: "#4aa8ff", x: "#f5a524", z: "#b48cff", spread: "#5b677a", correlation: "#2fbf9b",
  up: "#2fbf9b", down: "#f0616d", grid: "#1b212c", text: "#8793a5", ink: "#0a0d12", strong: "#d5dce6",
}
const FONT = "ui-monospace, 'JetBrains Mono', 'DejaVu Sans Mono', Menlo, monospace"
// shares of the height, from the top down; each row has its heading above it
const ROWS = { price: 0.55, zscore: 0.27, correlation: 0.18 }
const HEADING_PX = 21
const FOOT_PX = 30
const TAG_PX = 15
const FEWEST_BARS = 60
const HOLD_MS = 250
// the grid of bars restarts after a silence of the source of more than ten minutes
const SILENCE_MS = 600_000
const CONFIG = {
  displaylogo: false, scrollZoom: true, doubleClick: false, responsive: false, showTips: false,
  modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d"]],
}

export class Chart {
  constructor(stage, plot, pill) {
    this.stage = stage
    this.plot = plot
    this.pill = pill
    this.view = null
    this.mode = "both"
    this.thresholds = { enter: 2, exit: 0.5 }
    this.decimals = { y: 2, x: 2 }
    this.clear()
    pill.addEventListener("click", () => this.follow())
    new ResizeObserver(() => this.soon()).observe(stage)
    document.addEventListener("visibilitychange", () => this.soon())
  }

  clear() {
    this.series = { y: new Series(), x: new Series(), stats: new Series() }
    this.alerts = []
    this.reset()
  }

  // another window over the same bars, or the same view anew, keeps the zoom
  show(view) {
    const kept = this.view && this.view.pair === view.pair && this.view.interval === view.interval ? [this.range, this.span] : [null, null]
    this.view = view
    this.clear();
    [this.range, this.span] = kept
  }

  apply(parts) {
    for (const [role, part] of Object.entries(parts)) this.series[role].apply(part)
    this.soon()
  }

  setDecimals(role, text) {
    this.decimals[role] = Math.max(this.decimals[role] ?? 0, decimalsOf(text))
  }

  setMode(mode) {
    this.mode = mode
    this.soon()
  }

  setThresholds(enter, exit) {
    this.thresholds = { enter, exit }
  }

  setAlerts(rows) {
    this.alerts = rows
    this.soon()
  }

  // back to everything since the grid last restarted, following; what was before is to the left
  reset() {
    this.range = null
    this.span = null
    this.soon()
  }

  // follow again, as closely as the user had zoomed in
  follow() {
    if (this.range) this.span = this.range[1] - this.range[0]
    this.range = null
    this.soon()
  }

  // open time of the newest bar, and of the first after the grid last restarted; null and 0 without bars
  get newestMs() {
    return this.extent()?.[1] ?? null
  }

  get restartMs() {
    return this.series.y.restart(SILENCE_MS + (this.view?.widthMs ?? 1000))
  }

  get following() {
    return this.range === null
  }

  zoom(factor) {
    const [from, to] = this.window()
    const middle = (from + to) / 2
    this.take(middle - ((to - from) * factor) / 2, middle + ((to - from) * factor) / 2)
  }

  pan(share) {
    const [from, to] = this.window()
    this.take(from + (to - from) * share, to + (to - from) * share)
  }

  take(from, to) {
    this.range = [from, to]
    this.soon()
  }

  extent() {
    const ends = Object.values(this.series).filter((s) => s.length).map((s) => [s.columns.time[0], s.columns.time[s.last]])
    if (!ends.length) return null
    return [Math.min(...ends.map((e) => e[0])), Math.max(...ends.map((e) => e[1]))]
  }

  window() {
    if (this.range) return this.range
    const width = this.view?.widthMs ?? 1000
    const [first, last] = this.extent() ?? [Date.now() - FEWEST_BARS * width, Date.now()]
    const span = this.span ?? Math.max(last - Math.max(first, this.restartMs), FEWEST_BARS * width)
    return [last - span, last + Math.max(width, span * 0.015)]
  }

  // draw in the next frame; not while the hand is on the chart, nor in a hidden tab
  soon() {
    if (this.scheduled) return
    this.scheduled = true
    requestAnimationFrame(() => {
      this.scheduled = false
      if (this.view && !document.hidden && !this.held()) this.draw()
    })
  }

  held() {
    if (this.pressed) return true
    const wait = (this.wheeledAt ?? -Infinity) + HOLD_MS - performance.now()
    if (wait > 0) setTimeout(() => this.soon(), wait + 10)
    return wait > 0
  }

  draw() {
    const box = this.stage.getBoundingClientRect()
    if (box.width < 50 || box.height < 50) return
    const narrow = box.width < 600
    const window = this.window()
    const drawn = Plotly.react(this.plot, this.traces(window, box.width), this.layout(window, box, narrow), CONFIG)
    if (!this.bound) drawn.then(() => this.bind())
    this.pill.hidden = this.following
    this.plot.dataset.draws = String(Number(this.plot.dataset.draws ?? 0) + 1)
    this.plot.dataset.following = String(this.following)
  }

  bind() {
    if (this.bound) return
    this.bound = true
    this.plot.on("plotly_relayout", (change) => {
      const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]]
      if (range[0] !== undefined) this.take(toMs(range[0]), toMs(range[1]))
    })
    this.plot.on("plotly_doubleclick", () => this.reset())
    this.plot.addEventListener("pointerdown", () => { this.pressed = true }, true)
    for (const end of ["pointerup", "pointercancel", "blur"]) {
      window.addEventListener(end, () => {
        // Plotly ends its own drag in an event that comes after this one
        setTimeout(() => { this.pressed = false; this.soon() }, 60)
      }, true)
    }
    this.plot.addEventListener("wheel", () => { this.wheeledAt = performance.now(); this.soon() }, { capture: true, passive: true })
  }

  traces(window, width) {
    // one window to either side is drawn as well, so that panning shows no void
    const span = window[1] - window[0]
    const [from, to] = [window[0] - span, window[1] + span]
    const buckets = 3 * width
    const traces = []
    const line = (points, axis, colour, weight, name, extra = {}) => traces.push({
      type: "scatter", mode: "lines", x: points.x, y: points.y, yaxis: axis, name, connectgaps: false,
      line: { color: colour, width: weight }, hovertemplate: `${name} %{y}<extra></extra>`, showlegend: false, ...extra,
    })
    if (this.mode === "both") {
      const bases = this.bases(window)
      for (const role of ["y", "x"]) {
        const points = this.series[role].points("close", from, to, buckets)
        const prices = points.y.map((value) => fixed(value, this.decimals[role]))
        points.y = points.y.map((value) => (value === null || !bases[role] ? null : (value / bases[role]) * 100))
        line(points, "y", COLOURS[role], 1.4, this.view[role], {
          customdata: prices, hovertemplate: `${this.view[role]} %{customdata}<extra></extra>`,
        })
      }
    } else {
      const role = this.mode
      const candles = this.series[role].candles(from, to, this.view.widthMs, Math.max(60, width / 4))
      this.merged = candles.merged
      traces.push({
        type: "candlestick", ...candles, yaxis: "y", name: this.view[role], showlegend: false,
        increasing: { line: { color: COLOURS.up, width: 1 }, fillcolor: COLOURS.up },
        decreasing: { line: { color: COLOURS.down, width: 1 }, fillcolor: COLOURS.down },
        yhoverformat: `,.${this.decimals[role]}f`,
      })
    }
    const stats = this.series.stats
    line(stats.points("spread", from, to, buckets), "y2", COLOURS.spread, 1, "spread", { hovertemplate: "spread %{y:.5~g}<extra></extra>" })
    line(stats.points("zscore", from, to, buckets), "y4", COLOURS.z, 1.4, "z", { hovertemplate: "z %{y:.2f}<extra></extra>" })
    line(stats.points("correlation", from, to, buckets), "y3", COLOURS.correlation, 1.4, "ρ", { hovertemplate: "ρ %{y:.3f}<extra></extra>" })
    const fired = this.alerts.filter((a) => a.bar_ms >= from && a.bar_ms <= to)
    traces.push({
      type: "scatter", mode: "markers", x: fired.map((a) => a.bar_ms), y: fired.map((a) => a.value), yaxis: "y4", name: "alert",
      marker: { symbol: fired.map((a) => (a.value > 0 ? "triangle-down" : "triangle-up")), size: 9, color: fired.map((a) => (a.value > 0 ? COLOURS.down : COLOURS.up)), line: { width: 1, color: COLOURS.ink } },
      customdata: fired.map((a) => `${a.value > 0 ? "SHORT" : "LONG"} z ${fixed(a.value, 2)} at ${clock(a.bar_ms)} by ${escaped(a.rule)}`), hovertemplate: "%{customdata}<extra></extra>", showlegend: false,
    })
    return traces
  }

  // both legs are 100 at the first visible bar that both have
  bases(window) {
    const { y, x } = this.series
    if (!y.length || !x.length) return { y: y.lastValue("close"), x: x.lastValue("close") }
    const start = Math.max(window[0], y.columns.time[0], x.columns.time[0])
    const base = (series) => {
      for (let i = Math.min(series.at(start), series.last); i < series.length; i++) {
        if (Number.isFinite(series.columns.close[i])) return series.columns.close[i]
      }
      return series.lastValue("close")
    }
    return { y: base(y), x: base(x) }
  }

  layout(window, box, narrow) {
    const tags = []
    const { y, x, stats } = this.series
    const { enter, exit } = this.thresholds
    const bases = this.bases(window)
    const price = []
    const plotHeight = Math.max(1, box.height - HEADING_PX - FOOT_PX)
    const rows = domains(plotHeight)
    const heights = Object.fromEntries(Object.entries(rows).map(([name, [low, high]]) => [name, (high - low) * plotHeight]))
    const tag = (axis, range, value, text, colour, yshift = 0) => {
      if (value === null || !range || value < range[0] || value > range[1]) return
      tags.push({
        xref: "paper", x: 1, xanchor: "left", yref: axis, y: value, yanchor: "middle", yshift, text, showarrow: false,
        font: { family: FONT, size: 10.5, color: COLOURS.ink }, bgcolor: colour, borderpad: 2,
      })
    }
    let priceRange
    if (this.mode === "both") {
      for (const role of ["y", "x"]) {
        const extent = this.series[role].extent("close", ...window)
        if (extent && bases[role]) price.push(...extent.map((value) => (value / bases[role]) * 100))
      }
      priceRange = padded(price, 0.06)
      const values = ["y", "x"].map((role) => {
        const last = this.series[role].lastValue("close")
        return last === null ? null : (last / bases[role]) * 100
      })
      const shift = this.apart(values, priceRange, heights.price)
      for (const [n, role] of ["y", "x"].entries()) tag("y", priceRange, values[n], fixed(values[n], 2), COLOURS[role], shift[n])
    } else {
      const role = this.mode
      const low = this.series[role].extent("low", ...window)
      const high = this.series[role].extent("high", ...window)
      priceRange = padded([...(low ?? []), ...(high ?? [])], 0.06)
      const last = this.series[role].lastValue("close")
      tag("y", priceRange, last, fixed(last, this.decimals[role]), COLOURS[role])
    }
    const z = stats.extent("zscore", ...window) ?? []
    const zRange = padded([...z, -enter * 1.1, enter * 1.1], 0.08)
    const lastZ = stats.lastValue("zscore")
    tag("y4", zRange, lastZ, fixed(lastZ, 2), COLOURS.z)
    const correlation = stats.extent("correlation", ...window) ?? []
    const middle = correlation.length ? (correlation[0] + correlation[1]) / 2 : 0.5
    const cRange = padded([...correlation, Math.max(-1, middle - 0.1), Math.min(1, middle + 0.1)], 0.08)
    const lastC = stats.lastValue("correlation")
    tag("y3", cRange, lastC, fixed(lastC, 3), COLOURS.correlation)
    // a label that a tag would cover is left out, its grid line stays
    const ticks = (name, range, height) => {
      const pixel = (value) => ((value - range[0]) / (range[1] - range[0])) * height
      const taken = tags.filter((t) => t.yref === name).map((t) => pixel(t.y) + t.yshift)
      const { values, decimals } = steps(range, Math.max(2, Math.min(8, height / 34)))
      const free = (value) => taken.every((at) => Math.abs(at - pixel(value)) >= TAG_PX)
      return { tickmode: "array", tickvals: values, ticktext: values.map((value) => (free(value) ? fixed(value, decimals) : "")) }
    }
    const axis = (domain, range, extra = {}) => ({
      domain, range, side: "right", fixedrange: true, gridcolor: COLOURS.grid, zeroline: false,
      tickfont: { family: FONT, size: 10.5, color: COLOURS.text }, ticks: "", automargin: false, ...extra,
    })
    const level = (value, colour, dash) => ({
      type: "line", xref: "paper", x0: 0, x1: 1, yref: "y4", y0: value, y1: value, layer: "above", opacity: 0.75, line: { color: colour, width: 1, dash },
    })
    const title = (axisName, parts) => ({
      xref: "paper", x: 0, xanchor: "left", yref: `${axisName} domain`, y: 1, yanchor: "bottom", showarrow: false, align: "left", xshift: 2,
      text: parts.map(([text, colour, bold]) => `<span style="color:${colour}">${bold ? `<b>${text}</b>` : text}</span>`).join("  "),
      font: { size: narrow ? 10.5 : 11.5 }, borderpad: 0,
    })
    const unit = stats.length && this.view.priceKind === "raw" ? "price units" : "log price units"
    const upper = this.mode === "both"
      ? [[this.view.y, COLOURS.y, true], [this.view.x, COLOURS.x, true], [narrow ? "100 = left edge" : "rebased, 100 at the left edge", COLOURS.text, false]]
      : [[this.view[this.mode], COLOURS[this.mode], true], [`candles, ${this.merged > 1 ? `${this.merged} × ` : ""}${this.view.interval}`, COLOURS.text, false]]
    return {
      width: Math.floor(box.width), height: Math.floor(box.height), autosize: false,
      margin: { l: 6, r: narrow ? 58 : 70, t: HEADING_PX, b: FOOT_PX }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: "Inter, system-ui, sans-serif", size: 11, color: COLOURS.text }, showlegend: false,
      hovermode: "x unified", hoversubplots: "axis", dragmode: narrow ? false : this.plot._fullLayout?.dragmode || "pan",
      hoverlabel: { bgcolor: "#161c26", bordercolor: "#2a3342", font: { family: FONT, size: 11, color: COLOURS.strong } },
      modebar: { bgcolor: "rgba(16,20,27,0.85)", color: COLOURS.text, activecolor: COLOURS.strong, orientation: "h" },
      xaxis: {
        type: "date", range: window.map((ms) => new Date(ms).toISOString().slice(0, 23)), anchor: "y3", gridcolor: COLOURS.grid, zeroline: false,
        showspikes: true, spikemode: "across", spikesnap: "cursor", spikethickness: 1, spikedash: "solid", spikecolor: "#3a4558",
        tickfont: { family: FONT, size: 10.5, color: COLOURS.text }, rangeslider: { visible: false }, hoverformat: "%Y-%m-%d %H:%M:%S",
        nticks: narrow ? 4 : 9, ticklabelposition: "outside",
      },
      yaxis: axis(rows.price, priceRange, ticks("y", priceRange, heights.price)),
      yaxis3: axis(rows.correlation, cRange, ticks("y3", cRange, heights.correlation)),
      // the overlaying axis is drawn last: the z-score above the spread
      yaxis2: axis(rows.zscore, padded(stats.extent("spread", ...window) ?? [], 0.25), {
        side: "left", showgrid: false, nticks: 4, ticklabelposition: "inside", tickformat: ".4~f",
        tickfont: { family: FONT, size: 9.5, color: COLOURS.spread }, showticklabels: !narrow && stats.lastValue("spread") !== null,
      }),
      yaxis4: axis(undefined, zRange, { overlaying: "y2", anchor: "x", ...ticks("y4", zRange, heights.zscore) }),
      shapes: [
        { type: "rect", xref: "paper", x0: 0, x1: 1, yref: "y4", y0: -enter, y1: enter, layer: "below", fillcolor: COLOURS.z, opacity: 0.05, line: { width: 0 } },
        level(enter, COLOURS.down, "dash"), level(-enter, COLOURS.up, "dash"),
        level(exit, "#3a4558", "dot"), level(-exit, "#3a4558", "dot"), level(0, "#2a3342", "solid"),
      ],
      annotations: [
        title("y", upper),
        title("y2", [["z-score", COLOURS.z, true], [`spread, ${unit}`, COLOURS.spread, false], [narrow ? "" : `thresholds ±${fixed(enter, 1)}, ±${fixed(exit, 1)}`, COLOURS.text, false]]),
        title("y3", [["correlation", COLOURS.correlation, true], [narrow ? "" : "of log returns, rolling", COLOURS.text, false]]),
        ...tags,
      ],
    }
  }

  // pixels by which two tags must move so that neither covers the other
  apart([a, b], range, height) {
    if (a === null || b === null) return [0, 0]
    const between = ((a - b) / (range[1] - range[0])) * height
    const lacking = TAG_PX + 1 - Math.abs(between)
    if (lacking <= 0) return [0, 0]
    return between >= 0 ? [lacking / 2, -lacking / 2] : [-lacking / 2, lacking / 2]
  }

  describe() {
    const stats = this.series.stats
    return `z ${fixed(stats.lastValue("zscore"), 2)}, spread ${significant(stats.lastValue("spread"), 5)}, at ${clock(stats.columns.time?.[stats.last] ?? 0)} UTC`
  }
}

// each row's share of what the headings between them leave, bottom and top as parts of the height
function domains(height) {
  const gap = HEADING_PX / height
  const free = 1 - 2 * gap
  const found = {}
  let top = 1
  for (const [name, share] of Object.entries(ROWS)) {
    found[name] = [Math.max(0, top - share * free), top]
    top -= share * free + gap
  }
  return found
}

// round values within a range, about so many, and the decimals that tell them apart
function steps([low, high], count) {
  const least = (high - low) / count
  const power = Math.floor(Math.log10(least))
  const step = [1, 2, 5, 10].map((n) => n * 10 ** power).find((size) => size >= least * 0.999)
  const values = []
  for (let n = Math.ceil(low / step); n * step <= high && values.length < 20; n++) values.push(n * step)
  return { values, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) }
}

function padded(values, share) {
  if (!values.length) return [0, 1]
  const low = Math.min(...values)
  const high = Math.max(...values)
  const pad = (high - low) * share || Math.abs(high) * 0.001 || 1
  return [low - pad, high + pad]
}

// Plotly takes a few tags in its texts
function escaped(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")
}

// Plotly writes times on a date axis as "2026-11-23 01:02:03.456", meaning UTC
function toMs(value) {
  return typeof value === "number" ? value : Date.parse(`${String(value).replace(" ", "T")}Z`)
}
