import type { KafkaRequest } from '../broker-connection.ts'
import { createReader, createWriter } from './codec.ts'

const API_VERSIONS = 18

/** The highest version that the broker has of each API, by API key. */
export function apiVersionsRequest(): KafkaRequest<ReadonlyMap<number, number>> {
  return {
    name: 'ApiVersions',
    apiKey: API_VERSIONS,
    apiVersion: 0,
    body: createWriter(0).done(),
    decode(response) {
      const read = createReader(response)
      read.int16() // error, which only an unknown version gets
      const versions = read.array(() => {
        const apiKey = read.int16()
        read.int16() // the lowest version
        return [apiKey, read.int16()] as const
      })
      return new Map(versions)
    },
  }
}
