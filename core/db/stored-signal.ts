import { STORED_CHANNEL } from '../worker/write/aggregates.ts'
import { type Listening, listen } from './listen.ts'

/**
 * Hears of every commit of the worker, on a connection of its own that is mended for ever.
 * @param onStored told the tenants' ids, or undefined when any may be meant
 */
export function listenForStored(
  url: string,
  onStored: (tenantIds: number[] | undefined) => void,
  onTrouble: (error: unknown) => void,
): Listening {
  return listen({
    url,
    channel: STORED_CHANNEL,
    name: 'sluice live',
    onNotice: (payload) => onStored(readTenants(payload)),
    onTrouble,
  })
}

function readTenants(payload: string | undefined): number[] | undefined {
  return payload ? payload.split(',').map(Number) : undefined
}
