import pg from 'pg'

/** All that is notified on some channels of a database, in order. */
export interface HeardNotifications {
  /** The payloads of a channel, each notification of a transaction that has ended by now among them. */
  payloads(channel: string): Promise<string[]>
  forget(): void
  close(): Promise<void>
}

export async function hearNotifications(
  url: string,
  channels: readonly string[],
): Promise<HeardNotifications> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => {})
  const heard: pg.Notification[] = []
  let asked = 0
  const waiting = new Map<string, () => void>()
  client.on('notification', (notification) => {
    if (notification.channel === 'test_end') waiting.get(notification.payload ?? '')?.()
    else heard.push(notification)
  })
  await client.connect()
  for (const channel of [...channels, 'test_end']) await client.query(`LISTEN ${channel}`)
  return {
    async payloads(channel) {
      const end = String(asked++)
      const arrived = new Promise<void>((resolve) => waiting.set(end, resolve))
      // Postgres delivers in the order of the commits.
      await client.query(`NOTIFY test_end, '${end}'`)
      await arrived
      return heard.filter((each) => each.channel === channel).map(({ payload = '' }) => payload)
    },
    forget() {
      heard.length = 0
    },
    close: () => client.end(),
  }
}
