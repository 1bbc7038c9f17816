// Numbers and times as they are shown: a true minus, fixed decimals, UTC. And the page's only way to make elements.

const MINUS = "−"

export function fixed(value, decimals) {
  if (value === null || value === undefined || !Number.isFinite(Number(value))) return "–"
  const text = Math.abs(Number(value)).toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals })
  return Number(value) < 0 && /[1-9]/.test(text) ? MINUS + text : text
}

// so many significant digits, never an exponent
export function significant(value, digits) {
  const number = Number(value)
  if (value === null || value === undefined || !Number.isFinite(number)) return "–"
  if (Math.abs(number) < 1e-10) return "0"
  const decimals = Math.max(0, Math.min(12, digits - 1 - Math.floor(Math.log10(Math.abs(number)))))
  return fixed(number, decimals)
}

// decimals of a price as the topic writes it
export function decimalsOf(text) {
  const [, fraction = ""] = String(text ?? "").split(".")
  return fraction.length
}

export function clock(ms) {
  return new Date(ms).toISOString().slice(11, 19)
}

export function moment(ms) {
  return new Date(ms).toISOString().slice(0, 19).replace("T", " ")
}

export function day(ms) {
  return new Date(ms).toISOString().slice(0, 10)
}

export function duration(ms) {
  const s = ms / 1000
  if (s < 10) return `${fixed(s, 1)} s`
  if (s < 120) return `${fixed(s, 0)} s`
  if (s < 7200) return `${fixed(s / 60, 1)} min`
  return s < 172800 ? `${fixed(s / 3600, 1)} h` : `${fixed(s / 86400, 1)} d`
}

// text only ever enters as text
export function element(name, attributes = {}, ...children) {
  const node = document.createElement(name)
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value === true ? "" : value)
  }
  for (const child of children) if (child !== null && child !== undefined) node.append(child)
  return node
}

export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text
}
