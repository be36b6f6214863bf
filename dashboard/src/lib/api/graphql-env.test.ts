import { readdirSync, readFileSync } from 'node:fs'
import { outputIntrospectionFile } from 'gql.tada/internal'
import { buildSchema, introspectionFromSchema, Kind, parse, print, validate } from 'graphql'
import { expect, test } from 'vitest'

const folder = new URL('../../../', import.meta.url)
/** tsconfig.json is the one place that names the schema and the file generated from it. */
const { compilerOptions } = JSON.parse(readFileSync(new URL('tsconfig.json', folder), 'utf8'))
const { schema: schemaPath, tadaOutputLocation } = compilerOptions.plugins[0]
const schema = buildSchema(readFileSync(new URL(schemaPath, folder), 'utf8'))

const HEADER = `// biome-ignore-all format: generated
// biome-ignore-all lint: generated
// Generated from schema.graphql. To update: npx vitest run -u dashboard/src/lib/api/graphql-env.test.ts
`

test('the types of the GraphQL documents are generated from the current schema', async () => {
  const types = outputIntrospectionFile(
    introspectionFromSchema(schema, { descriptions: false }) as never,
    { fileType: '.d.ts', shouldPreprocess: true },
  )
  await expect(HEADER + types).toMatchFileSnapshot(new URL(tadaOutputLocation, folder).pathname)
})

/** The compiler checks fields and variables; arguments are checked here, wherever a document stands. */
test('every GraphQL document is valid against the schema', () => {
  const src = new URL('src/', folder)
  const sources = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((file) => /(?<!\.test|\.d)\.tsx?$/.test(file))
    .map((file) => readFileSync(new URL(file, src), 'utf8'))
  const documents = sources.flatMap((source) =>
    [...source.matchAll(/graphql\(\s*`([^`]+)`/g)].map(([, text]) => parse(text as string)),
  )
  const fragments = documents.flatMap(({ definitions }) =>
    definitions.filter(({ kind }) => kind === Kind.FRAGMENT_DEFINITION),
  )
  const operations = documents.flatMap(({ definitions }) =>
    definitions.filter(({ kind }) => kind === Kind.OPERATION_DEFINITION),
  )
  expect(operations.length).toBeGreaterThan(40)
  for (const operation of operations) {
    const errors = validate(schema, {
      kind: Kind.DOCUMENT,
      definitions: [operation, ...fragments],
    }).filter(({ message }) => !message.includes('is never used'))
    expect(
      errors.map(({ message }) => message),
      print(operation),
    ).toEqual([])
  }
})
