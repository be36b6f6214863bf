import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'

/** Conventions that a machine can check. The reasons: docs/adr/0001-import-boundaries.md, docs/glossary.md. */

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(file))
const sources = files.filter((file) => /\.(ts|tsx|mjs)$/.test(file))
const isTest = (file: string) =>
  /\.(test|suite|setup)\.tsx?$|\/(testing|conformance)\/|^tests\//.test(file)

const imports = new Map(sources.map((file) => [file, importsOf(file)]))

/** Files that are started from outside the import graph. */
const ENTRIES = [
  'cli/bin.mjs',
  'cli/main.ts',
  'core/main.ts',
  'core/health-check.ts',
  'core/collector/testing/stub-collector.ts',
  'local/core-entry.ts',
  'tools/sbom.mjs',
  'tools/mutate/mutate.ts',
  'tools/audit/list-packages.ts',
  'edge/entry/cloudflare.ts',
  'edge/entry/deno.ts',
  'edge/entry/node.ts',
  'dashboard/src/index.tsx',
  'tests/lib/engines-runner.ts',
  'cli/import-data.ts',
  'vite.config.ts',
]

/**
 * Which folder may import which (docs/adr/0001-import-boundaries.md). A file belongs to the longest folder
 * that it lies in; files of `core` itself are composition and may import everything below core.
 */
const MAY_IMPORT: Record<string, readonly string[]> = {
  contract: [],
  edge: ['contract'],
  dashboard: ['contract'],
  'core/lib': ['contract'],
  'core/db': ['contract', 'core/lib'],
  'core/log': ['contract', 'core/lib', 'core/db'],
  'core/identity/audit': ['contract', 'core/lib', 'core/db'],
  'core/identity': ['contract', 'core/lib', 'core/db', 'core/identity/audit'],
  'core/metrics': ['contract', 'core/lib', 'core/db', 'core/identity/audit'],
  'core/schemas': ['contract', 'core/lib', 'core/db', 'core/identity/audit'],
  'core/dead-letters': ['contract', 'core/lib', 'core/db', 'core/log', 'core/identity'],
  'core/worker': [
    'contract',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity/audit',
    'core/metrics',
    'core/schemas',
    'core/dead-letters',
  ],
  'core/proof': ['contract', 'core/lib', 'core/db', 'core/log'],
  'core/proof/verify': [
    'contract',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity/audit',
    'core/metrics',
    'core/proof',
    'core/worker',
  ],
  'core/backup': ['contract', 'core/lib', 'core/db', 'core/identity/audit'],
  'core/queries': [
    'contract',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity',
    'core/metrics',
    'core/schemas',
    'core/dead-letters',
    'core/proof',
  ],
  'core/gateway': ['contract', 'core/lib', 'core/db', 'core/log', 'core/identity'],
  'core/collector': [
    'contract',
    'edge',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity',
    'core/gateway',
  ],
  'core/api': [
    'contract',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity',
    'core/queries',
    'core/metrics',
    'core/schemas',
    'core/dead-letters',
    'core/gateway',
  ],
  core: [
    'contract',
    'edge',
    'core/lib',
    'core/db',
    'core/log',
    'core/identity',
    'core/dead-letters',
    'core/worker',
    'core/proof',
    'core/queries',
    'core/metrics',
    'core/schemas',
    'core/gateway',
    'core/collector',
    'core/api',
  ],
  tools: ['contract', 'core'],
  local: ['contract', 'core', 'tools'],
  cli: ['contract', 'core', 'tools', 'local'],
}

describe('import boundaries', () => {
  const folders = Object.keys(MAY_IMPORT).sort((a, b) => b.length - a.length)
  const folderOf = (file: string) => folders.find((folder) => file.startsWith(`${folder}/`))

  for (const [folder, allowed] of Object.entries(MAY_IMPORT))
    test(`${folder} imports nothing but ${allowed.join(', ') || 'itself'}`, () => {
      const mayImport = (target: string | undefined) =>
        target === undefined
          ? false
          : target === folder ||
            allowed.some((each) => target === each || target.startsWith(`${each}/`))
      const wrong = sources
        .filter((file) => folderOf(file) === folder && !isTest(file))
        .flatMap((file) =>
          local(file)
            .filter((target) => !mayImport(folderOf(target)))
            .map((target) => `${file} → ${target}`),
        )
      expect(wrong).toEqual([])
    })

  test('no file imports itself, directly or through others', () => {
    expect(findCycles().map((cycle) => cycle.join(' → '))).toEqual([])
  })

  test('contract needs nothing but zod/mini', () => {
    expect([...new Set(packages((file) => file.startsWith('contract/') && !isTest(file)))]).toEqual(
      ['zod/mini'],
    )
  })

  test('only one file names kafkajs, and only composition reads process.env', () => {
    const outside = (file: string) =>
      !isTest(file) && !file.startsWith('bench/') && !/^vite(st)?\.config\.ts$/.test(file)
    const readers = sources.filter((file) => outside(file) && read(file).includes('process.env'))
    expect(readers).toEqual(['cli/bin.mjs', 'core/config.ts', 'edge/entry/node.ts'])
    // By name, not by import: what kafkajs does not export is required.
    const users = sources.filter((file) => outside(file) && /['"]kafkajs\b/.test(read(file)))
    expect(users).toEqual(['core/log/kafka/connection.ts'])
  })

  test('a mode is a composition root: no file in core knows the word "embedded"', () => {
    const knowing = sources.filter(
      (file) => file.startsWith('core/') && !isTest(file) && /\bembedded\b/i.test(code(file)),
    )
    expect(knowing).toEqual([])
  })
})

describe('vocabulary', () => {
  /** The left column of docs/glossary.md, as far as a word has no other use in this field. */
  const BANNED_NAMES =
    /^(way|ways|place|places|placed|room|gate|lane|lanes|settle|settled|settler|finish|judge|judged|condemn|condemned|verdict|say|says|said|told|tell|letters?|fate|fates|sieve|nudge|keeper|kept|turns|hop|world|mood|surroundings|circumstances|trouble|whoever|refused|refusal|refusals|question|questions|answer|answers|answered|stretch|parked|obstacle|fresh|revived|quarter|native|classic)$/

  const isBanned = (words: readonly string[]) =>
    words.some((word, i) => BANNED_NAMES.test(word) && !isDeadLetter(words, i))

  test('no exported identifier has a word that the glossary replaced', () => {
    const found = sources.flatMap((file) =>
      exportsOf(file)
        .filter((name) => isBanned(wordsOf(name)))
        .map((name) => `${file}: ${name}`),
    )
    expect(found).toEqual([])
  })

  test('no file or folder has a name that the glossary replaced', () => {
    const found = sources.filter((file) =>
      file.split('/').some((part) => isBanned(part.split(/[.-]/))),
    )
    expect(found).toEqual([])
  })

  test('no text for people has a word that the glossary replaced', () => {
    const banned =
      /\b(anew|mend|mended|mends|spelt|whoever|dear|condemned|sieve|nudge|beside itself|ways? in|told of|of ours|is no [a-z]+)\b/i
    const found = sources
      .filter((file) => file !== 'tidy.test.ts')
      .flatMap((file) =>
        textsOf(file)
          .filter((text) => banned.test(text))
          .map((text) => `${file}: ${text.slice(0, 90)}`),
      )
    expect(found).toEqual([])
  })
})

describe('the tree', () => {
  test('every file is reached from an entry, a test or a bench', () => {
    const seen = new Set<string>()
    const visit = (file: string) => {
      if (seen.has(file)) return
      seen.add(file)
      for (const target of local(file)) visit(target)
    }
    for (const file of sources)
      if (
        ENTRIES.includes(file) ||
        /\.(test|setup)\.tsx?$/.test(file) ||
        /^bench\/|config\.ts$/.test(file)
      )
        visit(file)
    const dead = sources.filter(
      (file) => !seen.has(file) && !file.endsWith('.d.ts') && !file.startsWith('edge/testing/'),
    )
    expect(dead).toEqual([])
  })

  test('every entry exists', () => {
    expect(ENTRIES.filter((file) => !existsSync(file))).toEqual([])
  })

  test('no file has more than 300 lines, tests and test vectors apart', () => {
    const long = sources.filter(
      (file) => !isTest(file) && !file.includes('vectors') && read(file).split('\n').length > 301,
    )
    expect(long).toEqual([])
  })

  test('no folder holds more than 20 source files', () => {
    const counts = new Map<string, number>()
    for (const file of sources)
      if (!isTest(file)) counts.set(dirname(file), (counts.get(dirname(file)) ?? 0) + 1)
    expect([...counts].filter(([, count]) => count > 20)).toEqual([])
  })

  test('files are named in kebab-case', () => {
    expect(sources.filter((file) => !/^[a-z0-9./-]+$/.test(file))).toEqual([])
  })

  test('nothing that a tool generates is tracked', () => {
    const generated =
      /(^|\/)(__pycache__|node_modules|dist|coverage|\.wrangler)\/|\.(pyc|log|tsbuildinfo)$/
    expect(files.filter((file) => generated.test(file))).toEqual([])
  })

  test('every dependency is used', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: object }
    const everything = [...sources, ...files.filter((file) => file.endsWith('.css'))]
      .map(read)
      .join('\n')
    expect(Object.keys(dependencies).filter((name) => !everything.includes(`'${name}`))).toEqual([])
  })

  test('nothing tells people to run npx sluice, which npm would fetch from a stranger', () => {
    const texts = files.filter((file) => /\.(ts|tsx|mjs|md|toml|yml|html)$/.test(file))
    const allowed = ['tidy.test.ts', 'CHANGELOG.md', 'SECURITY.md']
    const found = texts.filter((file) => !allowed.includes(file) && /npx sluice/.test(read(file)))
    expect(found).toEqual([])
  })

  test('no comment leaves work for later', () => {
    expect(
      sources.filter((file) => file !== 'tidy.test.ts' && /\b(TODO|FIXME|XXX)\b/.test(read(file))),
    ).toEqual([])
  })
})

function read(file: string): string {
  return readFileSync(file, 'utf8')
}

/** A file's text without comments and without string literals. */
function code(file: string): string {
  return read(file)
    .replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
    .replaceAll(/'[^'\n]*'|`[^`]*`/g, "''")
}

/** String and template literals of more than one word: what may reach a person. */
function textsOf(file: string): string[] {
  const text = read(file).replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '')
  return [...text.matchAll(/'((?:[^'\\\n]|\\.)+)'|"((?:[^"\\\n]|\\.)+)"|`([^`]+)`/g)]
    .map(([, a, b, c]) => a ?? b ?? c ?? '')
    .filter((literal) => /\w \w/.test(literal))
}

function exportsOf(file: string): string[] {
  const declared = read(file).matchAll(
    /^export (?:default )?(?:async )?(?:abstract )?(?:function\*?|class|const|let|interface|type|enum) (\w+)/gm,
  )
  return [...declared].map((match) => match[1] as string)
}

/** "letter" alone is banned, "dead letter" is the term. */
function isDeadLetter(words: readonly string[], i: number): boolean {
  return /^letters?$/.test(words[i] as string) && words[i - 1] === 'dead'
}

/** `createFetchBuffer` and `FETCH_BUFFER` as lower-case words. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .split('_')
    .map((word) => word.toLowerCase())
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

/** What a file imports of the project's own, as paths from the root. */
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

/** Cycles of the import graph, types included: one for each file at which a depth-first walk meets its own path. */
function findCycles(): string[][] {
  const cycles: string[][] = []
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string) => {
    const at = path.indexOf(file)
    if (at >= 0) cycles.push([...path.slice(at), file])
    if (at >= 0 || done.has(file)) return
    path.push(file)
    for (const target of local(file)) if (target !== file) visit(target)
    path.pop()
    done.add(file)
  }
  for (const file of sources) visit(file)
  return cycles
}
