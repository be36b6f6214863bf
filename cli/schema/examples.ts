import { SCHEMA_DIALECT } from '../../contract/schema/compile-schema.ts'

const text = { type: 'string', maxLength: 1_000 }
const schemaOf = (properties: Record<string, object>) => ({
  $schema: SCHEMA_DIALECT,
  type: 'object',
  required: Object.keys(properties),
  properties,
  additionalProperties: false,
})

/** Typed schemas of the four types of events that `sluice load` and the demo send. `value` is a field of the event itself. */
export const EXAMPLE_SCHEMAS: Readonly<Record<string, object>> = {
  page_view: schemaOf({ page: { type: 'string', minLength: 1, maxLength: 1_000 }, referrer: text }),
  click: schemaOf({ page: { type: 'string', minLength: 1, maxLength: 1_000 }, element: text }),
  purchase: schemaOf({ currency: { type: 'string', minLength: 3, maxLength: 3 } }),
  api_error: schemaOf({
    status: { type: 'integer', minimum: 400, maximum: 599 },
    path: text,
  }),
}
