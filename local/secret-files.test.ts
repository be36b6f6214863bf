import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createDatabase } from '../core/db/database.ts'
import { createTestDatabase } from '../tests/lib/database.ts'
import type { Engines } from '../tools/engines/engines.ts'
import { createRedisEngine } from '../tools/engines/redis.ts'
import { readSaved, writeEnv, writeSaved, writeState } from '../tools/engines/state.ts'
import { type RunFile, writeRunFile } from './run-file.ts'
import { ensureSecrets } from './secrets.ts'

let home: string
let umask: number
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'sluice-secrets-'))
  // Nothing but the file's own mode protects it.
  umask = process.umask(0)
})
afterEach(() => {
  process.umask(umask)
  rmSync(home, { recursive: true })
})

test('files with keys and passwords are readable by their owner only', async () => {
  const run = { write_key: 'slc_sec_a', read_key: 'slc_sec_b' } as RunFile
  writeRunFile(home, run)
  const database = await createTestDatabase()
  const db = createDatabase(database.url, { max: 1 })
  await ensureSecrets(home, db)
  await db.destroy()
  await database.drop()

  const ports = { kafka: [], redis: 1, postgres: 2 }
  const engines = { ports, postgres: { url: 'postgres://a:b@c/d', pid: 1 } } as unknown as Engines
  writeSaved(home, readSaved(home), ports)
  writeEnv(writeState(home, engines, new Date()), readSaved(home))
  createRedisEngine({ home, port: 1 })

  const modes = readdirSync(home).map((name) => [name, statSync(join(home, name)).mode & 0o777])
  expect(Object.fromEntries(modes)).toEqual({
    'edges.password': 0o600,
    'engines.json': 0o600,
    'run.json': 0o600,
    'saved.json': 0o600,
    'secrets.json': 0o600,
    'users.acl': 0o600,
    env: 0o600,
  })
})
