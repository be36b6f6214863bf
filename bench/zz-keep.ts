import { existsSync, writeFileSync } from 'node:fs'
import pg from 'pg'
import { withPostgres } from '/work/wt/speed/bench/lib/machine.ts'
import { fillMonth } from '/work/wt/speed/bench/lib/queries/fill.ts'
import { createSketchDerivation } from '/work/wt/speed/core/worker/sketches/derive-sketches.ts'

await withPostgres(async (p) => {
  const url = await p.createDatabase()
  const t0 = performance.now()
  const filled = await fillMonth(url, {
    events: Number(process.argv[2]),
    days: 30,
    names: 200,
    actors: 50000,
    olderDays: 335,
    olderNames: 20,
  })
  console.log('filled', (performance.now() - t0) / 1000)
  const t1 = performance.now()
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  const { failing } = {} as any
  const d = createSketchDerivation({ pool })
  let r
  do {
    r = await d.run({ msMax: 600000 })
    console.log(r, (performance.now() - t1) / 1000)
  } while (!r.isComplete)
  await pool.query('VACUUM (ANALYZE) sketch, rollup_long, rollup_15m, metric_rollup_15m')
  await pool.end()
  writeFileSync('/tmp/speed-keep.json', JSON.stringify({ url, admin: p.adminUrlOf(url), filled }))
  while (!existsSync('/tmp/speed-keep.stop')) await new Promise((r) => setTimeout(r, 2000))
})
