import { Hono } from 'hono'
import type { Database } from '../../db/database.ts'
import { createAccessCheck, type GatewayUser } from '../../gateway/users.ts'
import { createKeyUseRecorder, findKeyRecord, isUsable } from '../../identity/key-directory.ts'
import { allowOnly, sendProblem } from './problem.ts'

export interface KeyDirectoryDeps {
  db: Database
  users: readonly GatewayUser[]
}

/** GET /keys/:sha256 returns a key's record to the edge. The credentials are the gateway's, with the scope that edges need. */
export function keyDirectory({ db, users }: KeyDirectoryDeps): Hono {
  const app = new Hono()
  const recordUse = createKeyUseRecorder(db)
  const authorize = createAccessCheck(users)

  app.get('/keys/:sha256', async (c) => {
    if (authorize(c.req.header('authorization'), 'produce') !== 'granted')
      return sendProblem(c, 'GATEWAY_UNAUTHENTICATED', {
        'WWW-Authenticate': 'Basic realm="gateway"',
      })
    c.header('Cache-Control', 'no-store')
    let record: Awaited<ReturnType<typeof findKeyRecord>>
    try {
      record = await findKeyRecord(db, c.req.param('sha256'))
    } catch {
      return sendProblem(c, 'KEYS_UNAVAILABLE', { 'Retry-After': '1' })
    }
    if (!record) return sendProblem(c, 'KEY_NOT_FOUND')
    if (isUsable(record)) void recordUse(record.key_id)
    return c.json(record)
  })
  app.all('/keys/:sha256', allowOnly('GET, HEAD'))
  return app
}
