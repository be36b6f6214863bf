import { Hono } from 'hono'
import type { Database } from '../../db/database.ts'
import { createAccessCheck, type GatewayUser } from '../../gateway/users.ts'
import { createKeyUse, isGood, keyRecord } from '../../identity/key-directory.ts'
import { onlyTakes, refuse } from './problem.ts'

export interface KeyDirectoryDeps {
  db: Database
  users: readonly GatewayUser[]
}

/** GET /keys/:sha256 tells the edge what is known of a key. The credentials are the gateway's, with the scope that edges need. */
export function keyDirectory({ db, users }: KeyDirectoryDeps): Hono {
  const app = new Hono()
  const noteUse = createKeyUse(db)
  const admit = createAccessCheck(users)

  app.get('/keys/:sha256', async (c) => {
    if (admit(c.req.header('authorization'), 'produce') !== 'granted')
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
