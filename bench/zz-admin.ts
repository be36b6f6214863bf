import { readFileSync } from 'node:fs'
import pg from 'pg'

const { admin } = JSON.parse(readFileSync('/tmp/speed-keep.json', 'utf8'))
const c = new pg.Client(admin)
await c.connect()
const r: any = await c.query(readFileSync(0, 'utf8'))
for (const x of Array.isArray(r) ? r : [r]) if (x.rows.length) console.table(x.rows)
await c.end()
