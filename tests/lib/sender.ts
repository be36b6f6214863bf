import { setTimeout as sleep } from 'node:timers/promises'
import type { RunFile } from '../../local/run-file.ts'
import { sendEvent } from './sluice.ts'

/** Sends single events and batches until it is stopped; knows which ids were accepted. */
export function startSender(run: Pick<RunFile, 'edge_url' | 'write_key'>, prefix = 'load') {
  const accepted = new Set<string>()
  const strange: string[] = []
  let stopped = false
  let slowestMs = 0
  let next = 0
  const sendUntilStopped = async () => {
    while (!stopped) {
      const ids = Array.from({ length: 1 + (next % 5) }, () => `${prefix}-${++next}`)
      const at = Date.now()
      try {
        const answer = await sendEvent(
          run,
          ids.map((event_id, i) => ({ event: 'load', event_id, user_id: `u${i % 7}`, value: 1 })),
        )
        if (answer.status === 202) for (const id of ids) accepted.add(id)
        else if (answer.status !== 503 || !answer.headers.get('Retry-After'))
          strange.push(`${answer.status} ${await answer.text()}`)
        await answer.body?.cancel().catch(() => {})
      } catch {
        // The edge itself is down: the client knows that nothing was accepted.
      }
      slowestMs = Math.max(slowestMs, Date.now() - at)
      await sleep(5)
    }
  }
  const senders = [1, 2, 3, 4].map(sendUntilStopped)
  return {
    accepted,
    strange,
    get slowestMs() {
      return slowestMs
    },
    async stop() {
      stopped = true
      await Promise.all(senders)
      return accepted
    },
  }
}
