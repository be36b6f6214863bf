/** The feed of the US Geological Survey, GeoJSON: one feature for each earthquake. */
interface Feed {
  features: {
    id: string
    properties: { mag: number | null; time: number } & Record<string, unknown>
    geometry: { coordinates: number[] }
  }[]
}

/** The earthquakes as events, with the ids of the survey: a second import adds nothing. */
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
