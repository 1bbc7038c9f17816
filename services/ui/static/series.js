// One series as columns: what has come so far, trimmed to what the server keeps; slices thinned to the pixels there are.

export function floats(base64) {
  const binary = atob(base64)
  const bytes = new Uint8Array(binary.length)
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i)
  return new Float64Array(bytes.buffer)
}

export class Series {
  constructor() {
    this.columns = {}
    this.limit = 4000
  }

  get length() {
    return this.columns.time ? this.columns.time.length : 0
  }

  get last() {
    return this.length - 1
  }

  apply({ reset, rows, ...columns }) {
    if (reset) this.limit = Math.max(4000, rows)
    for (const [name, text] of Object.entries(columns)) {
      const fresh = floats(text)
      const old = reset ? new Float64Array(0) : this.columns[name] ?? new Float64Array(0)
      const kept = Math.max(0, Math.min(old.length, this.limit - fresh.length))
      const joined = new Float64Array(kept + fresh.length)
      joined.set(old.subarray(old.length - kept))
      joined.set(fresh, kept)
      this.columns[name] = joined
    }
  }

  // index of the first row at or after a time
  at(time) {
    const times = this.columns.time ?? []
    let low = 0
    let high = times.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (times[middle] < time) low = middle + 1
      else high = middle
    }
    return low
  }

  // time of the first row after the last jump in time of more than so much
  restart(jumpMs) {
    const times = this.columns.time ?? []
    for (let i = times.length - 1; i > 0; i--) if (times[i] - times[i - 1] > jumpMs) return times[i]
    return times[0] ?? 0
  }

  lastValue(name) {
    const column = this.columns[name] ?? []
    for (let i = column.length - 1; i >= 0; i--) if (Number.isFinite(column[i])) return column[i]
    return null
  }

  // smallest and largest value between two times, or null
  extent(name, from, to) {
    const column = this.columns[name]
    if (!column) return null
    let low = Infinity
    let high = -Infinity
    const end = Math.min(this.length, this.at(to) + 1)
    for (let i = Math.max(0, this.at(from) - 1); i < end; i++) {
      const value = column[i]
      if (value < low) low = value
      if (value > high) high = value
    }
    return low <= high ? [low, high] : null
  }

  // points of a column between two times, at most about 2 a bucket: each bucket's lowest and highest, holes kept as holes
  points(name, from, to, buckets) {
    const x = []
    const y = []
    const column = this.columns[name]
    if (!column) return { x, y }
    const times = this.columns.time
    const start = Math.max(0, this.at(from) - 1)
    const end = Math.min(times.length, this.at(to) + 1)
    const step = Math.max(1, Math.ceil((end - start) / Math.max(1, buckets)))
    const push = (i) => {
      x.push(times[i])
      y.push(Number.isFinite(column[i]) ? column[i] : null)
    }
    if (step <= 2) {
      for (let i = start; i < end; i++) push(i)
      return { x, y }
    }
    for (let first = start - (start % step); first < end; first += step) {
      let low = -1
      let high = -1
      let hole = -1
      const stop = Math.min(end, first + step)
      for (let i = Math.max(start, first); i < stop; i++) {
        const value = column[i]
        if (!Number.isFinite(value)) hole = i
        else {
          if (low < 0 || value < column[low]) low = i
          if (high < 0 || value > column[high]) high = i
        }
      }
      const picked = [low, high, hole].filter((i) => i >= 0).sort((a, b) => a - b)
      picked.forEach((i, n) => { if (n === 0 || i !== picked[n - 1]) push(i) })
    }
    // the newest point is always there, so that the line ends where the tag is
    if (end > start && x[x.length - 1] !== times[end - 1]) push(end - 1)
    return { x, y }
  }

  // candles between two times, merged on the epoch's grid so that there are at most `most`
  candles(from, to, widthMs, most) {
    const { time, open, high, low, close } = this.columns
    const found = { x: [], open: [], high: [], low: [], close: [], merged: 1 }
    if (!time) return found
    const start = Math.max(0, this.at(from) - 1)
    const end = Math.min(time.length, this.at(to) + 1)
    found.merged = niceFactor((end - start) / most)
    const grid = widthMs * found.merged
    for (let i = start; i < end; i++) {
      if (!Number.isFinite(close[i])) continue
      const at = time[i] - (time[i] % grid)
      const n = found.x.length - 1
      if (n >= 0 && found.x[n] === at) {
        found.high[n] = Math.max(found.high[n], high[i])
        found.low[n] = Math.min(found.low[n], low[i])
        found.close[n] = close[i]
      } else {
        found.x.push(at)
        found.open.push(open[i])
        found.high.push(high[i])
        found.low.push(low[i])
        found.close.push(close[i])
      }
    }
    return found
  }
}

function niceFactor(least) {
  for (const factor of [1, 2, 5, 10, 15, 30, 60, 120, 300, 600]) if (factor >= least) return factor
  return 3600
}
