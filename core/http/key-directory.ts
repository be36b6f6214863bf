import { createHash, timingSafeEqual } from 'node:crypto'
import { Hono } from 'hono'
import type { Database } from '../db/database.ts'
import { readBasic } from '../keys/credentials.ts'
import { createKeyUse, isGood, keyRecord } from '../keys/directory.ts'
import { onlyTakes, refuse } from './problem.ts'

const USER = 'sluice'

/** GET /keys/:sha256 tells the edge what is known of a key. The credentials are the gateway's. */
export function keyDirectory({ db, secret }: { db: Database; secret: string }): Hono {
  const app = new Hono()
  const noteUse = createKeyUse(db)
  const expected = digest(`${USER}:${secret}`)

  app.get('/keys/:sha256', async (c) => {
    const basic = readBasic(c.req.header('authorization') ?? null)
    if (!basic || !timingSafeEqual(digest(`${basic.user}:${basic.password}`), expected))
      return refuse(c, 'GATEWAY_UNAUTHENTICATED', { 'WWW-Authenticate': 'Basic realm="gateway"' })
    c.header('Cache-Control', 'no-store')
    let record: Awaited<ReturnType<typeof keyRecord>>
    try {
      record = await keyRecord(db, c.req.param('sha256'))
    } catch {
      return refuse(c, 'KEYS_UNAVAILABLE', { 'Retry-After': '1' })
    }
    if (!record) return refuse(c, 'KEY_UNKNOWN')
    if (isGood(record)) void noteUse(record.key_id)
    return c.json(record)
  })
  app.all('/keys/:sha256', onlyTakes('GET, HEAD'))
  return app
}

/** Of one length whatever was sent, so that comparing takes the same time. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
