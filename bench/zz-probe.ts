import { readFileSync } from 'node:fs'
import pg from 'pg'
import { createDatabase } from '../core/db/database.ts'
import { tenantViewer } from '../core/identity/viewer.ts'
import { noteStatements } from '../core/queries/testing/statement-cost.ts'
import { cpuSeconds } from './lib/machine.ts'
import { createQuerySet } from './lib/queries/query-set.ts'

const { url, filled, pid } = JSON.parse(readFileSync('/tmp/speed-keep.json', 'utf8'))
const only = process.argv[2] ?? ''
const explain = process.argv[3] === 'explain'
const db = createDatabase(url, { role: 'sluice_read', max: 5 })
const viewer = await tenantViewer(db, { kind: 'SESSION' }, 'bench')
for (const q of createQuerySet(filled, 600000)) {
  if (!q.title.includes(only)) continue
  const t: number[] = []
  await q.run({ db, viewer })
  await q.run({ db, viewer })
  const [pg0, n0] = [cpuSeconds(pid), process.cpuUsage()]
  for (let i = 0; i < 8; i++) {
    const s = performance.now()
    await q.run({ db, viewer })
    t.push(performance.now() - s)
  }
  console.log(
    q.title,
    t.map((x) => x.toFixed(1)).join(' '),
    '| cpu pg',
    (((cpuSeconds(pid) - pg0) * 1000) / 8).toFixed(1),
    'node',
    (process.cpuUsage(n0).user / 8000).toFixed(1),
  )
  if (explain) {
    const statements: any[] = []
    await q.run({ db: noteStatements(db, statements), viewer })
    const client = new pg.Client({
      connectionString: url,
      options:
        '-c role=sluice_read -c sluice.tenant=all -c timezone=UTC -c jit=off -c work_mem=32MB',
    })
    await client.connect()
    for (const s of statements) {
      const b = performance.now()
      await client.query(s.sql, s.parameters)
      const took = performance.now() - b
      console.log('----', took.toFixed(1), s.sql.replace(/\s+/g, ' ').slice(0, 200))
      if (took > Number(process.argv[4] ?? 5))
        console.log(
          (await client.query('EXPLAIN (ANALYZE, BUFFERS) ' + s.sql, s.parameters)).rows
            .map((r: any) => r['QUERY PLAN'])
            .join('\n'),
        )
    }
    await client.end()
  }
}
await db.destroy()
