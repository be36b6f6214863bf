import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import pg from 'pg'

export interface Migration {
  number: number
  name: string
  sql: string
  sha256: string
}

const FOLDER = fileURLToPath(new URL('../../migrations', import.meta.url))
/** So that two starting processes never apply the same file. */
const LOCK = 0x51_01_cf

/**
 * Applies what is missing of migrations/*.sql, in order, each in a transaction of its own. Forward only:
 * a file that was applied and has changed since is refused, because nobody can say what the database is then.
 * @returns what was applied
 */
export async function migrate(
  url: string,
  onStep?: (migration: Migration) => void,
): Promise<Migration[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  client.on('error', () => {})
  await client.connect()
  try {
    await client.query(`SELECT pg_advisory_lock(${LOCK})`)
    await client.query(
      `CREATE TABLE IF NOT EXISTS migration
         (number int PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`,
    )
    const { rows } = await client.query<{ number: number; sha256: string }>(
      'SELECT number, sha256 FROM migration',
    )
    const applied = new Map(rows.map((row) => [row.number, row.sha256]))
    const done: Migration[] = []
    for (const migration of readMigrations()) {
      const known = applied.get(migration.number)
      if (known === migration.sha256) continue
      if (known !== undefined)
        throw new Error(
          `migrations/${migration.name} was changed after it was applied. Restore it, and put the change into a new file.`,
        )
      await apply(client, migration)
      onStep?.(migration)
      done.push(migration)
    }
    return done
  } finally {
    await client.end()
  }
}

export function readMigrations(folder = FOLDER): Migration[] {
  const names = readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
  return names.map((name, i) => {
    const number = Number(/^(\d{6})_[a-z0-9-]+\.sql$/.exec(name)?.[1])
    if (number !== i + 1)
      throw new Error(
        `migrations/${name}: expected a name like ${String(i + 1).padStart(6, '0')}_….sql`,
      )
    const sql = readFileSync(`${folder}/${name}`, 'utf8')
    return { number, name, sql, sha256: createHash('sha256').update(sql).digest('hex') }
  })
}

async function apply(client: pg.Client, { number, name, sql, sha256 }: Migration): Promise<void> {
  try {
    await client.query('BEGIN')
    await client.query(sql)
    await client.query('INSERT INTO migration (number, name, sha256) VALUES ($1, $2, $3)', [
      number,
      name,
      sha256,
    ])
    await client.query('COMMIT')
  } catch (cause) {
    await client.query('ROLLBACK')
    throw new Error(`migrations/${name} could not be applied: ${(cause as Error).message}`, {
      cause,
    })
  }
}
