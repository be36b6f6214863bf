import { CHANNELS } from '../../db/channels.ts'
import { createNotifier, type Notifier, packPayloads } from '../../db/notifier.ts'
import type { Connections } from './connections.ts'

/** The partitions that have grown, by topic. */
export type Appended = Map<string, Set<number>>

/**
 * Wakes readers after an append was committed (wakeup.ts). A notification that never comes costs them time and nothing
 * else: they read once a second anyway.
 */
export type AppendNotifier = Notifier<Appended>

/** A gateway appends every few milliseconds. */
const INTERVAL_MS = 5

export function createAppendNotifier(
  connections: Pick<Connections, 'use'>,
  onError: (error: unknown) => void,
): AppendNotifier {
  return createNotifier({
    execute: (text, values) =>
      connections.use((client) => client.query({ name: 'notify', text, values })),
    merge: mergeAppended,
    encode: (appended) =>
      [...appended].flatMap(([topic, partitions]) =>
        packPayloads([...partitions].map(String), ',', `${topic} `).map((payload) => {
          return { channel: CHANNELS.log, payload }
        }),
      ),
    intervalMs: INTERVAL_MS,
    onError,
  })
}

function mergeAppended(appended: Appended, more: Appended): Appended {
  for (const [topic, partitions] of more) {
    const known = appended.get(topic)
    if (known) for (const partition of partitions) known.add(partition)
    else appended.set(topic, partitions)
  }
  return appended
}
