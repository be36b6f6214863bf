import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Taste that a machine can check. What it holds is told in docs/adr/0001-import-boundaries.md. */

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(file))
const sources = files.filter((file) => /\.(ts|tsx|mjs)$/.test(file))
const isTest = (file: string) => /\.(test|suite|setup)\.tsx?$|\/(testing|conformance)\//.test(file)

const imports = new Map(sources.map((file) => [file, importsOf(file)]))

/** Files that somebody outside the import graph starts. */
const ENTRIES = [
  'cli/bin.mjs',
  'cli/main.ts',
  'core/main.ts',
  'core/health-check.ts',
  'local/local.ts',
  'tools/demo/import-earthquakes.ts',
  'edge/entry/cloudflare.ts',
  'edge/entry/deno.ts',
  'edge/entry/node.ts',
  'dashboard/src/index.tsx',
  'vite.config.ts',
]

describe('the arrows', () => {
  const rooms = {
    contract: ['contract'],
    edge: ['edge', 'contract'],
    core: ['core', 'contract'],
    dashboard: ['dashboard', 'contract'],
  }
  /** The composition root of one machine holds all ends: that is its job. */
  const holdsAllEnds = (file: string) =>
    file === 'local/local.ts' || file.startsWith('core/embedded/')

  for (const [room, mayImport] of Object.entries(rooms))
    test(`${room} imports only ${mayImport.join(' and ')}`, () => {
      const wrong = sources
        .filter((file) => file.startsWith(`${room}/`) && !isTest(file) && !holdsAllEnds(file))
        .flatMap((file) =>
          local(file)
            .filter((target) => !mayImport.includes(target.split('/')[0] as string))
            .map((target) => `${file} → ${target}`),
        )
      expect(wrong).toEqual([])
    })

  test('contract needs nothing but zod/mini', () => {
    expect([...new Set(packages((file) => file.startsWith('contract/') && !isTest(file)))]).toEqual(
      ['zod/mini'],
    )
  })

  test('kafkajs stays behind the log, and process.env behind the configuration', () => {
    const outside = (file: string) =>
      !isTest(file) && !file.startsWith('bench/') && file !== 'vite.config.ts'
    const readers = sources.filter((file) => outside(file) && read(file).includes('process.env'))
    expect(readers).toEqual(['cli/bin.mjs', 'core/config.ts', 'edge/entry/node.ts'])
    // By name, not by import: what kafkajs does not export is required.
    const users = sources.filter((file) => outside(file) && /['"]kafkajs\b/.test(read(file)))
    expect(users).toEqual(['core/log/kafka/kafka-log.ts'])
  })

  test('a mode is a composition root: no other file knows the word', () => {
    const word = /\bembedded\b/i
    const knowing = sources.filter(
      (file) =>
        file.startsWith('core/') &&
        !holdsAllEnds(file) &&
        !isTest(file) &&
        word.test(read(file).replaceAll(/['"].*embedded.*['"]/g, '')),
    )
    expect(knowing).toEqual([])
  })
})

describe('the tree', () => {
  test('no file is dead: each is reached from an entry, a test or a bench', () => {
    const seen = new Set<string>()
    const visit = (file: string) => {
      if (seen.has(file)) return
      seen.add(file)
      for (const target of local(file)) visit(target)
    }
    for (const file of sources)
      if (ENTRIES.includes(file) || isTest(file) || /^bench\/|config\.ts$/.test(file)) visit(file)
    expect(sources.filter((file) => !seen.has(file) && !file.endsWith('.d.ts'))).toEqual([])
  })

  test('no entry is named that is not there', () => {
    expect(ENTRIES.filter((file) => !existsSync(file))).toEqual([])
  })

  test('files stay small enough to hold in the head', () => {
    const long = sources.filter(
      (file) => !isTest(file) && !file.includes('vectors') && read(file).split('\n').length > 300,
    )
    expect(long).toEqual([])
  })

  test('files are named in kebab-case', () => {
    expect(sources.filter((file) => !/^[a-z0-9./-]+$/.test(file))).toEqual([])
  })

  test('every dependency is used', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: object }
    const everything =
      sources.map(read).join('\n') +
      files
        .filter((f) => f.endsWith('.css'))
        .map(read)
        .join('\n')
    expect(Object.keys(dependencies).filter((name) => !everything.includes(`'${name}`))).toEqual([])
  })

  test('nothing is left for later in a comment', () => {
    expect(
      sources.filter((file) => file !== 'tidy.test.ts' && /\b(TODO|FIXME|XXX)\b/.test(read(file))),
    ).toEqual([])
  })
})

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

function importsOf(file: string): string[] {
  const text = read(file)
  const found = [
    ...text.matchAll(/(?:^|\n)\s*(?:import|export)\s[^'"]*?from\s*['"]([^'"]+)['"]/g),
    ...text.matchAll(/(?:^|\n)import\s*['"]([^'"]+)['"]/g),
    ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g),
    ...text.matchAll(/new URL\(\s*['"](\.[^'"]+\.(?:ts|mjs))['"]/g),
  ]
  return found.map((match) => match[1] as string)
}

/** What a file imports of our own, as paths from the root. */
function local(file: string): string[] {
  return (imports.get(file) ?? [])
    .filter((name) => name.startsWith('.'))
    .map((name) => normalize(join(dirname(file), name)))
    .filter((target) => /\.(ts|tsx|mjs)$/.test(target))
}

function packages(where: (file: string) => boolean): string[] {
  return sources
    .filter(where)
    .flatMap((file) => (imports.get(file) ?? []).filter((name) => !name.startsWith('.')))
}
