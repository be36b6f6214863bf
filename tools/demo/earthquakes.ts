/** The feed of the US Geological Survey, GeoJSON: one feature an earthquake. */
interface Feed {
  features: {
    id: string
    properties: { mag: number | null; time: number } & Record<string, unknown>
    geometry: { coordinates: number[] }
  }[]
}

/** As events; a second import finds the same ids. */
export function earthquakeEvents(json: string): Record<string, unknown>[] {
  const { features } = JSON.parse(json) as Feed
  return features.map(({ id, properties, geometry }) => {
    const { mag, time, ...rest } = properties
    const [longitude, latitude, depth] = geometry.coordinates
    return {
      event: 'earthquake',
      event_id: id,
      timestamp: time,
      value: mag,
      source: 'usgs',
      properties: { ...rest, longitude, latitude, depth },
    }
  })
}
