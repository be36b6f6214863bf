import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { buildSchema, parse, validate } from 'graphql'
import { describe, expect, test } from 'vitest'
import * as errors from '../contract/errors.ts'
import * as gatewayErrors from '../core/gateway/kafka-rest-error.ts'

/** Holds the documentation to the code: codes, links, files, commands, metrics and queries that it names. */
/** Error tables by their names. */
const TABLES = { ...errors, ...gatewayErrors } as unknown as Record<
  string,
  Record<string, { status: number; retryable?: boolean }>
>

const ROOT = join(import.meta.dirname, '..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(ROOT, file)))
const pages = tracked.filter((file) => file.endsWith('.md'))
const guides = pages.filter((file) => file !== 'CHANGELOG.md' && !file.startsWith('docs/adr/'))

describe('docs/errors.md', () => {
  const sections = new Map(
    read('docs/errors.md')
      .split(/^## /m)
      .map((section) => [section.split('\n', 1)[0] as string, section]),
  )
  const rowsOf = (section: string) =>
    (sections.get(section) ?? '').split('\n').filter((line) => line.startsWith('| `'))
  const codesOf = (section: string) =>
    rowsOf(section).map((row) => /^\| `(\w+)`/.exec(row)?.[1] as string)

  test.each([
    ['HTTP', 'ERRORS'],
    ['GraphQL and core', 'API_ERRORS'],
    ['Gateway', 'KAFKA_REST_ERRORS'],
  ])(
    'the section %s lists every code of %s with its status and whether to retry',
    (section, name) => {
      const table = Object.entries(TABLES[name] ?? {})
      expect(table.length).toBeGreaterThan(0)
      expect(rowsOf(section).map((row) => row.slice(2).split(' | ').slice(0, -1))).toEqual(
        table.map(([code, { status, retryable }]) => [
          `\`${code}\``,
          String(status),
          ...(retryable === undefined ? [] : [retryable ? 'yes' : 'no']),
        ]),
      )
    },
  )

  test.each([
    ['Events in a batch', 'contract/errors.ts', 'ItemErrorCode'],
    ['Dead letters', 'contract/log/record.ts', 'DeadReason'],
  ])('the section %s lists every code of %s, and no other', (section, file, type) => {
    expect(codesOf(section).sort()).toEqual(membersOf(file, type).sort())
  })
})

describe('every page', () => {
  test.each(pages)('the links of %s lead to files and headings that exist', (page) => {
    const links = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link as string)
    const broken = links.filter((link) => {
      if (/^(https?|mailto):/.test(link)) return false
      const [path, anchor] = link.split('#') as [string, string?]
      const target = path === '' ? page : normalize(join(dirname(page), path))
      if (!existsSync(join(ROOT, target))) return true
      return anchor !== undefined && target.endsWith('.md') && !anchorsOf(target).includes(anchor)
    })
    expect(broken).toEqual([])
  })

  test.each(pages.filter((page) => page !== 'CHANGELOG.md'))(
    'the source files that %s names exist',
    (page) => {
      const named = [
        ...read(page).matchAll(
          /\b(?:bench|cli|contract|core|dashboard|docs|edge|local|tests|tools)\/[\w./-]+\.(?:ts|tsx|mjs|md|sql|graphql|capnp|png)\b/g,
        ),
      ].map(([file]) => file)
      expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([])
    },
  )

  test('the pages that source files name exist', () => {
    const sources = tracked.filter((file) => /\.(ts|tsx|mjs|toml|yml|capnp)$/.test(file))
    const missing = sources.flatMap((file) =>
      [...read(file).matchAll(/\bdocs\/[\w./-]+\.md\b/g)]
        .filter(([page]) => !existsSync(join(ROOT, page)))
        .map(([page]) => `${file}: ${page}`),
    )
    expect(missing).toEqual([])
  })
})

describe('commands', () => {
  const text = guides.map(read).join('\n')

  test('every npm script that the guides name is in package.json', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
    const named = [...text.matchAll(/\bnpm run ([a-z0-9:]+)/g)].map(([, name]) => name as string)
    expect(named.length).toBeGreaterThan(10)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })

  test('every command of sluice that the guides name exists', () => {
    const commands = [
      ...read('cli/registry/commands.ts').matchAll(/^ {2}'?([a-z-]+)'?: async \(\) =>/gm),
    ].map(([, name]) => name as string)
    expect(commands.length).toBeGreaterThan(15)
    const named = [
      ...text.matchAll(/(?:^|`|\bnpm run sluice -- |\(|\bnpx )sluice ([a-z][a-z-]*)/gm),
      ...text.matchAll(/\bnpm run sluice -- ([a-z][a-z-]*)/g),
    ].map(([, name]) => name as string)
    expect(named.length).toBeGreaterThan(20)
    expect([...new Set(named)].filter((name) => !commands.includes(name))).toEqual([])
  })

  test('every option of sluice that the guides name exists', () => {
    const sources = tracked.filter((file) => /^cli\/.*(?<!\.test)\.ts$/.test(file)).map(read)
    const lines = text.match(/^(?:npm run )?sluice (?:-- )?[a-z].*$/gm) ?? []
    const options = lines
      .flatMap((line) => line.match(/ --[a-z-]+/g) ?? [])
      .map((each) => each.trim())
    expect(options.length).toBeGreaterThan(10)
    expect(options.filter((option) => !sources.some((source) => source.includes(option)))).toEqual(
      [],
    )
  })
})

test('docs/operations.md lists every metric of /metrics, and no other', () => {
  const files = tracked.filter((file) => /^core\/api\/http\/metrics[a-z-]*\.ts$/.test(file))
  const exported = files.flatMap((file) => [...read(file).matchAll(/name: '(sluice_\w+)'/g)])
  const named = new Set(read('docs/operations.md').match(/\bsluice_[a-z_]+\b/g))
  expect([...named].sort()).toEqual(exported.map(([, name]) => name).sort())
})

test('every query that the guides show is valid', () => {
  const schema = buildSchema(read('core/api/graphql/schema.graphql'))
  const queries = guides
    .map(read)
    .flatMap((page) => [
      ...[...page.matchAll(/```graphql\n([^`]+)```/g)].map(([, query]) => query as string),
      ...[...page.matchAll(/-d '(\{"query":[^']+)'/g)].map(([, body]) => queryIn(body as string)),
    ])
  expect(queries.length).toBeGreaterThan(2)
  for (const query of queries) expect(validate(schema, parse(query))).toEqual([])
})

describe('docs/adr', () => {
  const decisions = pages.filter((file) => /^docs\/adr\/\d{4}-[a-z0-9-]+\.md$/.test(file))
  const index = read('docs/adr/README.md')

  test.each(decisions)('%s has a number, a title and the four sections', (file) => {
    const text = read(file)
    expect(text).toMatch(new RegExp(`^# ${file.slice(9, 13)} \\S`))
    expect([...text.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)).toEqual([
      'Status',
      'Context',
      'Decision',
      'Consequences',
    ])
  })

  test('the index lists every decision', () => {
    expect(decisions.length).toBeGreaterThan(13)
    expect(decisions.filter((file) => !index.includes(`(${file.slice(9)})`))).toEqual([])
  })
})

/** The codes of a type: the members of a union of literals, or the keys of the table that it is taken from. */
function membersOf(file: string, type: string): string[] {
  const text = read(file)
  const declared =
    new RegExp(`export type ${type} =([\\s\\S]*?)\\n(?:\\n|export)`).exec(text)?.[1] ?? ''
  const table = /keyof typeof (\w+)/.exec(declared)?.[1]
  if (table === undefined)
    return [...declared.matchAll(/'(\w+)'/g)].map(([, code]) => code as string)
  const body = new RegExp(`const ${table} = \\{([\\s\\S]*?)\\n\\}`).exec(text)?.[1] ?? ''
  return [...body.matchAll(/^ {2}(\w+):/gm)].map(([, code]) => code as string)
}

/** Headings as GitHub names them in links. */
function anchorsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    (heading as string)
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(' ', '-'),
  )
}

function queryIn(body: string): string {
  return (JSON.parse(body) as { query: string }).query
}
