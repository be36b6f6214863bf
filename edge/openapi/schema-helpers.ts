import type { Schema } from './operation.ts'

/** Short forms for JSON Schema. */

export const ref = (name: string): Schema => ({
  $ref: `#/components/schemas/${name}`,
})

export const text = (description: string, more: Schema = {}): Schema => ({
  type: 'string',
  description,
  ...more,
})

export const object = (
  properties: Schema,
  required: readonly string[] = [],
  more: Schema = {},
): Schema => ({
  type: 'object',
  ...(required.length > 0 && { required }),
  properties,
  ...more,
})

export const count = (number: number): string => number.toLocaleString('en')
