import { readFileSync } from 'node:fs'
import { outputIntrospectionFile } from 'gql.tada/internal'
import { buildSchema, introspectionFromSchema, print, validate } from 'graphql'
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

/** The compiler checks fields and variables; arguments are checked here. */
test('every GraphQL document is valid against the schema', async () => {
  const modules = import.meta.glob(['./documents.ts', '../../pages/*/queries.ts'], { eager: true })
  const documents = Object.values(modules)
    .flatMap((module) => Object.entries(module as object))
    .filter(([, value]) => value?.kind === 'Document')
  expect(documents.length).toBeGreaterThan(5)
  for (const [name, document] of documents) {
    const isFragment = document.definitions[0].kind === 'FragmentDefinition'
    const errors = validate(schema, document).filter(
      ({ message }) => !(isFragment && message.includes('is never used')),
    )
    expect(
      errors.map(({ message }) => message),
      `${name}: ${print(document)}`,
    ).toEqual([])
  }
})
