import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { EDGE_SCRIPTS, RATELIMIT_SCRIPTS } from '../../contract/redis-scripts.ts'
import * as scripts from '../admission/redis/scripts.ts'

const sha1 = (text: string) => createHash('sha1').update(text).digest('hex')

test('the bridge allows exactly the scripts that the edge sends', () => {
  expect([...EDGE_SCRIPTS].sort()).toEqual(
    Object.values(scripts)
      .map(({ text }) => sha1(text))
      .sort(),
  )
})

test('the bridge allows exactly the scripts of the installed @upstash/ratelimit', () => {
  const source = readFileSync(fileURLToPath(import.meta.resolve('@upstash/ratelimit')), 'utf8')
  const declared = [...source.matchAll(/hash: "([0-9a-f]{40})"/g)].map(([, hash]) => hash as string)
  // The deny list's script is the only one that is sent as a text alone.
  const [, denyList = ''] = /^var checkDenyListScript = `([^`]*)`;/m.exec(source) ?? []
  expect([...RATELIMIT_SCRIPTS].sort()).toEqual([...new Set([...declared, sha1(denyList)])].sort())
})
