/** The event that every arm receives: a page view of exactly 300 bytes of JSON. */
const EVENT_BYTES = 300

export interface EventSeries {
  body: (i: number) => string
  /** The number of the event of this series that the text contains; undefined for those of others. */
  numberOf: (text: string) => number | undefined
}

/** @param series distinguishes the events of one run from those of others in the same log */
export function createEvents(series: number): EventSeries {
  const prefix = `${series.toString(16).padStart(8, '0')}-0000-7000-8000-`
  const pattern = new RegExp(`${prefix}([0-9a-f]{12})`)
  return {
    body(i) {
      const start = `{"event":"page_view","event_id":"${prefix}${i.toString(16).padStart(12, '0')}","user_id":"user-${i % 1000}","timestamp":${Date.now()},"page":"/pricing","referrer":"https://example.com/","device":"desktop","plan":"team","campaign":"`
      return `${start.padEnd(EVENT_BYTES - 2, 'x')}"}`
    },
    numberOf(text) {
      const found = pattern.exec(text)?.[1]
      return found === undefined ? undefined : Number.parseInt(found, 16)
    },
  }
}
