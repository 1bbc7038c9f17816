// The state of the feed, on the page's own clock: a frozen server or a lost line shows as such by itself.

import { clock, duration, moment, setText } from "./format.js"

const STALE_MS = 2_000
const NO_DATA_MS = 10_000
const SILENT_SERVER_MS = 3_500
const RETRY_MS = 2_000

export class Feed {
  constructor(node, banner, stage) {
    this.node = node
    this.banner = banner
    this.stage = stage
    this.heardAt = null
    this.startedAt = performance.now()
    this.status = null
    this.arrivedAt = null
    this.lost = false
    setInterval(() => this.tick(), 250)
    this.tick()
  }

  hear(status) {
    const now = performance.now()
    this.heardAt = now
    if (!status) return
    this.status = status
    this.arrivedAt = status.age_ms === null ? null : now - status.age_ms
    this.tick()
  }

  tick() {
    const now = performance.now()
    const silence = now - (this.heardAt ?? this.startedAt)
    const wasLost = this.lost
    this.lost = silence > (this.heardAt === null ? 12_000 : SILENT_SERVER_MS)
    if (this.lost && !wasLost) this.retry()
    const age = this.arrivedAt === null ? null : now - this.arrivedAt
    const waited = now - this.startedAt
    const label = this.status?.label ?? "NO SOURCE"
    let state = "live"
    let text = label
    if (this.lost || (age === null ? waited > NO_DATA_MS : age >= NO_DATA_MS)) [state, text] = ["none", "NO DATA"]
    else if (this.status === null || age === null) [state, text] = ["waiting", this.status ? `${label} …` : "CONNECTING"]
    else if (age >= STALE_MS || this.status.away) [state, text] = ["stale", "STALE"]
    this.node.dataset.state = state
    this.stage.dataset.state = state
    setText(this.node.querySelector("#feed-label"), text)
    setText(this.node.querySelector("#feed-age"), state === "stale" || state === "none" ? duration(age ?? waited) : "")
    this.node.toggleAttribute("data-live", this.status?.live === true)
    const reasonNode = this.node.querySelector("#feed-reason")
    setText(reasonNode, this.reason(state, label))
    const clockNode = this.node.querySelector("#clock")
    const at = this.now()
    if (!this.lost) setText(clockNode, at === null ? "" : this.status?.live ? `${clock(at)} UTC` : `data ${moment(at)} UTC`)
    this.showBanner(silence)
  }

  // other symbols are shown: what of them has not come has been waited for from now on
  restart() {
    this.startedAt = performance.now()
    this.arrivedAt = null
    if (this.status) this.status = { ...this.status, data_ms: null, silent: null, unfollowed: [] }
  }

  // the clock of the data: the wall's while it is live, else that of the newest trade; null before the first
  now() {
    return this.status?.live ? Date.now() : this.status?.data_ms ?? null
  }

  // why there is nothing, or why this source runs; nothing if there is nothing to say
  reason(state, label) {
    const status = this.status
    if (state === "live" || state === "waiting") return status?.reason ?? ""
    if (this.lost) return "the server does not answer"
    if (status?.away) return "Redis does not answer"
    if (!status?.label) return "no source has said that it runs"
    const silent = status.unfollowed.length ? `${status.unfollowed.join(" and ")} not followed` : status.silent ? `no trade of ${status.silent}` : ""
    return silent ? `${label}: ${silent}` : label
  }

  showBanner(silence) {
    const away = this.status?.away
    let text = ""
    if (this.lost) text = `Connection to the server lost ${duration(silence)} ago, reconnecting …`
    else if (away) text = `Redis is away since ${clock(away.since_ms)} UTC, reconnecting … What is shown is what came before.${away.reason ? ` (${away.reason})` : ""}`
    this.banner.hidden = !text
    this.banner.parentNode.classList.toggle("alarmed", Boolean(text))
    this.banner.dataset.state = this.lost ? "lost" : "away"
    setText(this.banner, text)
  }

  // a server that answers again but has forgotten this page: load it anew, the choices are in the address
  async retry() {
    while (this.lost) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
      try {
        const answer = await fetch("healthz", { cache: "no-store", signal: AbortSignal.timeout(RETRY_MS) })
        if (!answer.ok) continue
      } catch {
        continue
      }
      await new Promise((resolve) => setTimeout(resolve, 1_500))
      if (this.lost) location.reload()
    }
  }
}
