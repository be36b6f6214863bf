/** A domestic flight of the first quarter of 2001, as the US Bureau of Transportation Statistics has it. */
export interface Flight {
  /** `2001/01/13 14:56`; Sluice takes it for UTC. */
  date: string
  /** Minutes; negative: early. */
  delay: number
  /** Miles. */
  distance: number
  origin: string
  destination: string
}

/** The flights as events. Their ids are their places in the file, so a second import adds nothing. @param json an array of Flight */
export function flightEvents(json: string): Record<string, unknown>[] {
  return (JSON.parse(json) as Flight[]).map(
    ({ date, delay, distance, origin, destination }, i) => ({
      event: 'flight',
      event_id: `flight-${i}`,
      timestamp: flightTime(date),
      value: delay,
      source: origin,
      properties: { distance, origin, destination, delayed: delay > 15 },
    }),
  )
}

/** @returns RFC 3339 */
export function flightTime(date: string): string {
  return `${date.replaceAll('/', '-').replace(' ', 'T')}:00Z`
}
