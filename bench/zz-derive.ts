import { readFileSync } from 'node:fs'
import pg from 'pg'
import { createSketchDerivation } from '../core/worker/sketches/derive-sketches.ts'

const { url } = JSON.parse(readFileSync('/tmp/speed-keep.json', 'utf8'))
const pool = new pg.Pool({ connectionString: url, max: 2 })
const t = performance.now()
console.log(
  await createSketchDerivation({ pool }).run({ msMax: 600000 }),
  (performance.now() - t) / 1000,
)
await pool.query('VACUUM (ANALYZE) rollup_long')
console.log(
  (
    await pool.query(
      'select metric_id, minutes, count(*)::int from rollup_long group by 1,2 order by 1,2',
    )
  ).rows,
)
await pool.end()
