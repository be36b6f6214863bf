import { ApiError } from '../../lib/api-error.ts'
import { MCP_LIMITS } from './limits.ts'

/** Requests in progress, each of which holds memory: no client takes the others' share. */
export interface InProgress {
  /** @returns to be called when the request has ended; @throws OVERLOADED */
  enter(clientId: string): () => void
}

export function createInProgress({
  perClientMax = MCP_LIMITS.concurrentPerTenantMax as number,
  max = MCP_LIMITS.concurrentMax as number,
} = {}): InProgress {
  const clients = new Map<string, number>()
  let all = 0
  return {
    enter(clientId) {
      const count = clients.get(clientId) ?? 0
      if (count >= perClientMax || all >= max) throw new ApiError('OVERLOADED')
      clients.set(clientId, count + 1)
      all++
      let hasLeft = false
      return () => {
        if (hasLeft) return
        hasLeft = true
        all--
        const left = (clients.get(clientId) ?? 1) - 1
        if (left > 0) clients.set(clientId, left)
        else clients.delete(clientId)
      }
    },
  }
}
