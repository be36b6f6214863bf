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
  /** Sets the user from now on; null: signs out, with a new anonymous id. */
  identify?: (user: string | number | null) => void
  /** Calls from before this script was loaded; only the stub has it. */
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
/** Browsers keep requests of at most 64 KiB alive beyond a page. */
const KEEPALIVE_BYTES = 65_000
const BATCH_BYTES = 60_000
const STORED_CHARS = 200_000
const QUEUE_EVENTS = 1_000
const SESSION_MS = 1_800_000
const RETRY_MS_MAX = 60_000
const RESPONSE_MS_MAX = 30_000

// biome-ignore lint/complexity/noExcessiveLinesPerFunction: one closure, so that no name of it is a global of the page
;(() => {
  const stub = window.sluice
  // The page loads the script twice.
  if (stub?.identify && !stub.q) return
  const script = (document.currentScript ||
    document.querySelector('script[data-key^=slc_]')) as HTMLScriptElement | null
  const key = script?.dataset.key
  const warn = (...values: unknown[]) => console.warn('sluice.js:', ...values)
  if (!script || !key) return warn('data-key is missing')
  const address = new URL(`v1/events?key=${key}`, script.src).href

  /** Runs it, and catches what it throws: the page must not see it. */
  const safely =
    <A extends unknown[]>(run: (...args: A) => void) =>
    (...args: A) => {
      try {
        run(...args)
      } catch (error) {
        warn(error)
      }
    }

  // ---- Storage beyond this page, or in memory where that is forbidden.

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
  const loadQueue = (): string[] => {
    try {
      return JSON.parse(load('.q') || '[]')
    } catch {
      return []
    }
  }
  /** Other tabs store theirs under the same name. */
  const storeQueue = (added: string[], gone: string[]) => {
    const queue = [...new Set([...loadQueue(), ...added])].filter((event) => !gone.includes(event))
    while (queue.join().length > STORED_CHARS) queue.shift()
    store('.q', JSON.stringify(queue))
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

  // ---- Sending. Events are strings from the start: the page may change its objects later.

  const waiting = loadQueue()
  let sending: string[] = []
  let batchMax = BATCH_EVENTS
  let failures = 0
  /** By performance.now(): when to retry, and until when Retry-After asks to wait. */
  let retryAt = 0
  let retryAfter = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  const later = (ms: number) => {
    clearTimeout(timer)
    timer = setTimeout(flush, ms)
  }

  const sizeOf = (text: string) => new Blob([text]).size

  const flush = safely((leaving?: boolean) => {
    timer = undefined
    const early = (leaving ? retryAfter : retryAt) - performance.now()
    if (early > 0) return later(early)
    // One request at a time; the last one of a page does not wait.
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
      finishBatch(batch)
    }
    const retry = (waitS = 0) => {
      waiting.unshift(...batch)
      retryAfter = performance.now() + waitS * 1000
      // With jitter, so that pages do not retry at the same moment.
      retryAt = retryAfter + Math.min(RETRY_MS_MAX, 500 * 2 ** ++failures) * (1 + Math.random() / 2)
      storeQueue(waiting, [])
      finishBatch([])
    }
    const finishBatch = (gone: string[]) => {
      sending = sending.filter((event) => !batch.includes(event))
      storeQueue([], gone)
      if (waiting[0]) later(BATCH_MS)
    }
    // Firefox before 133.
    if (leaving && !('keepalive' in Request.prototype))
      return navigator.sendBeacon(address, body) ? done() : retry()
    fetch(address, {
      method: 'POST',
      body,
      credentials: 'omit',
      keepalive: sizeOf(body) < KEEPALIVE_BYTES,
      signal: AbortSignal.timeout?.(RESPONSE_MS_MAX),
    })
      .then(async (response) => {
        const { status } = response
        if (status > 499 || status === 429 || status === 408)
          return retry(Number(response.headers.get('retry-after')) || 0)
        const result = await response.json()
        if (/400|413|422/.test(`${status}`) && batch[1]) {
          // Too many events, or none that is valid: smaller batches will show.
          batchMax = batch.length >> 1
          waiting.unshift(...batch)
          return finishBatch([])
        }
        // The page's developer can fix it; sending the same again would not.
        if (status > 299 || result.errors?.[0]) warn(status, JSON.stringify(result))
        done()
      })
      .catch(() => retry())
  })

  const leave = safely(() => {
    flush(true)
    storeQueue([...sending, ...waiting], [])
  })

  // ---- The page's API.

  const track = safely((name: string, properties?: unknown) => {
    if (name === 'identify' && properties == null) {
      store('.a', store('.u', ''))
      return
    }
    const anonymous = load('.a') || store('.a', uuid())
    if (name === 'identify' && typeof properties !== 'object') {
      // Pages repeat it each time they load.
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
    if (waiting.length > QUEUE_EVENTS) waiting.shift()
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
    // The rest of a query may contain private data.
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
    retryAt = retryAfter
    flush()
  })
  if (waiting[0]) later(BATCH_MS)
})()

export {}
