import pg from 'pg'
import { STORED_CHANNEL } from '../worker/finish.ts'
import { LIVE_LIMITS } from './limits.ts'

export interface StoredSignal {
  close(): Promise<void>
}

/**
 * Hears of every commit of the worker, on a connection of its own that is mended for ever.
 * @param onStored told the tenants' ids, or undefined when any may be meant
 */
export function listenForStored(
  url: string,
  onStored: (tenantIds: number[] | undefined) => void,
  onTrouble: (error: unknown) => void,
): StoredSignal {
  let client: pg.Client | undefined
  let closed = false
  let retry: NodeJS.Timeout | undefined
  let failures = 0

  async function listen(): Promise<void> {
    const fresh = new pg.Client({
      connectionString: url,
      application_name: 'sluice live',
      connectionTimeoutMillis: 5_000,
      query_timeout: 5_000,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
    })
    client = fresh
    let lost = false
    const lose = (error?: unknown) => {
      if (lost || closed) return
      lost = true
      if (error) onTrouble(error)
      fresh.end().catch(() => {})
      const wait = Math.min(LIVE_LIMITS.reconnectMsMax, 100 * 2 ** Math.min(failures++, 10))
      retry = setTimeout(() => void listen(), wait)
    }
    fresh.on('error', lose)
    fresh.on('end', () => lose())
    fresh.on('notification', ({ payload }) => onStored(readTenants(payload)))
    try {
      await fresh.connect()
      await fresh.query(`LISTEN ${STORED_CHANNEL}`)
      failures = 0
      // Whatever was stored while nobody listened.
      onStored(undefined)
    } catch (error) {
      lose(error)
    }
  }
  void listen()

  return {
    async close() {
      closed = true
      clearTimeout(retry)
      await client?.end().catch(() => {})
    },
  }
}

function readTenants(payload: string | undefined): number[] | undefined {
  return payload ? payload.split(',').map(Number) : undefined
}
