/**
 * What /sluice.js is made of: the script that a page loads to send events.
 *
 * An event gets its id when it happens and keeps it, through every retry and every page, so that it
 * counts once however often it is sent. It is held in memory until the edge has confirmed it; what
 * is still unconfirmed when the page is left, or when sending failed, is kept in localStorage as
 * well, and the next page sends it again.
 *
 * Requests are "simple" ones (text/plain, the public key in the address), which browsers send
 * without asking first. Nothing here may throw into the page, and a test holds the size under 2 kB.
 */

type Call = (name: string, properties?: unknown) => void
interface Sluice extends Call {
  /** From now on this person; null: nobody, and a new stranger. */
  identify?: (user: string | number | null) => void
  /** Calls from before this script was there; only the stub has it. */
  q?: ArrayLike<unknown>[]
}
declare global {
  interface Window {
    sluice?: Sluice
  }
  interface Document {
    prerendering?: boolean
  }
}

const BATCH_EVENTS = 20
const BATCH_MS = 1_000
/** Browsers refuse to keep more than 64 KiB alive beyond a page. */
const KEEPALIVE_BYTES = 65_000
const BATCH_BYTES = 60_000
const KEPT_CHARS = 200_000
const HELD_EVENTS = 1_000
const SESSION_MS = 1_800_000
const RETRY_MS_MAX = 60_000
const ANSWER_MS_MAX = 30_000

;(() => {
  const stub = window.sluice
  // The script stands in the page twice.
  if (stub?.identify && !stub.q) return
  const script = (document.currentScript ||
    document.querySelector('script[data-key^=slc_]')) as HTMLScriptElement | null
  const key = script?.dataset.key
  const warn = (...said: unknown[]) => console.warn('sluice.js:', ...said)
  if (!script || !key) return warn('data-key is missing')
  const address = new URL(`v1/events?key=${key}`, script.src).href

  /** Runs it, and keeps what it throws away from the page. */
  const safely =
    <A extends unknown[]>(run: (...args: A) => void) =>
    (...args: A) => {
      try {
        run(...args)
      } catch (error) {
        warn(error)
      }
    }

  // ---- What is remembered beyond this page, or only in it where that is forbidden.

  const memory: Record<string, string> = {}
  const load = (name: string): string => {
    try {
      return localStorage[key + name] || memory[name] || ''
    } catch {
      return memory[name] || ''
    }
  }
  const store = (name: string, value: string): string => {
    memory[name] = value
    try {
      localStorage[key + name] = value
    } catch {
      // Forbidden, or full: then for this page only.
    }
    return value
  }
  const loadKept = (): string[] => {
    try {
      return JSON.parse(load('.q') || '[]')
    } catch {
      return []
    }
  }
  /** Other tabs keep theirs in the same place. */
  const keep = (added: string[], gone: string[]) => {
    const kept = [...new Set([...loadKept(), ...added])].filter((event) => !gone.includes(event))
    while (kept.join().length > KEPT_CHARS) kept.shift()
    store('.q', JSON.stringify(kept))
  }

  /** UUIDv7; crypto.randomUUID is only there on https. */
  const uuid = () => {
    const time = Date.now().toString(16).padStart(12, '0')
    const random = '7000-8000-000000000000'.replace(/0/g, () =>
      ((crypto.getRandomValues(new Uint8Array(1))[0] as number) & 15).toString(16),
    )
    return `${time.slice(0, 8)}-${time.slice(8)}-${random}`
  }
  const session = () => {
    const [id, at] = load('.s').split(' ')
    const now = Date.now()
    const current = now - Number(at) < SESSION_MS ? id : uuid()
    store('.s', `${current} ${now}`)
    return current
  }

  // ---- Sending. Events are strings from the start: what the page does to its objects later is its own affair.

  const waiting = loadKept()
  let sending: string[] = []
  let batchMax = BATCH_EVENTS
  let failures = 0
  /** Moments by performance.now(): when to try again, and until when the server told us to wait. */
  let retryAt = 0
  let toldUntil = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const later = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(flush, ms)
  }

  const sizeOf = (text: string) => new Blob([text]).size

  const flush = safely((leaving?: boolean) => {
    timer = undefined
    const early = (leaving ? toldUntil : retryAt) - performance.now()
    if (early > 0) return later(early)
    // One request at a time; the last one waits for nobody.
    if (sending[0] && !leaving) return
    let bytes = 0
    let count = 0
    for (const event of waiting) {
      bytes += sizeOf(event) + 1
      if (count && (bytes > BATCH_BYTES || (count >= batchMax && !leaving))) break
      count++
    }
    if (!count) return
    const batch = waiting.splice(0, count)
    sending.push(...batch)
    const body = `{"sent_at":${Date.now()},"events":[${batch}]}`

    const done = () => {
      failures = 0
      batchMax = Math.min(BATCH_EVENTS, batchMax * 2)
      settle(batch)
    }
    const again = (waitS = 0) => {
      waiting.unshift(...batch)
      toldUntil = performance.now() + waitS * 1000
      // Not all pages at the same moment.
      retryAt = toldUntil + Math.min(RETRY_MS_MAX, 500 * 2 ** ++failures) * (1 + Math.random() / 2)
      keep(waiting, [])
      settle([])
    }
    const settle = (gone: string[]) => {
      sending = sending.filter((event) => !batch.includes(event))
      keep([], gone)
      if (waiting[0]) later(BATCH_MS)
    }
    // Firefox before 133.
    if (leaving && !('keepalive' in Request.prototype))
      return navigator.sendBeacon(address, body) ? done() : again()
    fetch(address, {
      method: 'POST',
      body,
      credentials: 'omit',
      keepalive: sizeOf(body) < KEEPALIVE_BYTES,
      signal: AbortSignal.timeout?.(ANSWER_MS_MAX),
    })
      .then(async (answer) => {
        const { status } = answer
        if (status > 499 || status === 429 || status === 408)
          return again(Number(answer.headers.get('retry-after')) || 0)
        const said = await answer.json()
        if (/400|413|422/.test(`${status}`) && batch[1]) {
          // Too many at once, or none that is any good: smaller ones will tell.
          batchMax = batch.length >> 1
          waiting.unshift(...batch)
          return settle([])
        }
        // Whoever builds the page can mend it; sending the same again would not.
        if (status > 299 || said.errors?.[0]) warn(status, JSON.stringify(said))
        done()
      })
      .catch(() => again())
  })

  const leave = safely(() => {
    flush(true)
    keep([...sending, ...waiting], [])
  })

  // ---- What the page calls.

  const track = safely((name: string, properties?: unknown) => {
    if (name === 'identify' && properties == null) {
      store('.a', store('.u', ''))
      return
    }
    const anonymous = load('.a') || store('.a', uuid())
    if (name === 'identify' && typeof properties !== 'object') {
      // Pages say it again each time they load.
      if (load('.u') === `${properties}`) return
      store('.u', `${properties}`)
      properties = { anonymous_id: anonymous }
    }
    const value = (properties as { value?: unknown } | undefined)?.value
    waiting.push(
      JSON.stringify({
        event_id: uuid(),
        event: name,
        timestamp: new Date(),
        user_id: load('.u') || anonymous,
        session_id: session(),
        value: typeof value === 'number' ? value : undefined,
        context: { page: location.origin + location.pathname },
        properties: properties || {},
      }),
    )
    if (waiting.length > HELD_EVENTS) waiting.shift()
    if (waiting.length >= batchMax) flush()
    else if (timer === undefined) later(BATCH_MS)
  })
  const sluice: Sluice = (name, properties) => track(name, properties)
  sluice.identify = (user) => track('identify', user)
  window.sluice = sluice
  for (const call of stub?.q || []) track(...(Array.from(call) as [string]))

  // ---- Page views.

  let seen = ''
  let referrer = document.referrer
  const view = safely(() => {
    const { origin, pathname, search } = location
    const here = origin + pathname
    if (seen === here + search) return
    const properties: Record<string, string> = {
      page: pathname,
      title: document.title,
      referrer: referrer.split('?')[0] as string,
    }
    // The rest of a query may hold what is nobody's business.
    new URLSearchParams(search).forEach((value, name) => {
      if (/^utm_/.test(name)) properties[name] = value
    })
    seen = here + search
    referrer = here
    track('page_view', properties)
  })
  if (script.dataset.auto !== 'false') {
    if (document.prerendering) document.addEventListener('prerenderingchange', view, { once: true })
    else view()
    const push = history.pushState
    history.pushState = function (...args) {
      push.apply(this, args)
      setTimeout(view)
    }
    addEventListener('popstate', view)
    addEventListener('pageshow', (event) => {
      if (event.persisted) {
        seen = ''
        view()
      }
    })
  }

  addEventListener('pagehide', leave)
  document.addEventListener('visibilitychange', () => document.hidden && leave())
  addEventListener('online', () => {
    retryAt = toldUntil
    flush()
  })
  if (waiting[0]) later(BATCH_MS)
})()

export {}
