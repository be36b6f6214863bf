import type { DocumentNode, FragmentDefinitionNode, SelectionSetNode } from 'graphql'
import { ApiError } from '../../lib/api-error.ts'
import { QUERY_LIMITS } from '../../queries/limits.ts'

/** What a selection asks for when every fragment is written out. */
interface Cost {
  /** Fields of the selection itself, not of what it selects; `__typename` costs nothing. */
  roots: number
  /** All fields, `__typename` and those of the introspection included. */
  fields: number
  aliases: number
  schemas: number
  types: number
  /** Aliases below `__schema` or `__type`. */
  aliasesInIntrospection: number
}

/**
 * Counts what a document would execute, before it is validated: validation compares all fields of a selection with each
 * other, and knows no limit. Fragments are counted once and multiplied, so that the check itself is linear.
 * @throws QUERY_TOO_LARGE
 */
export function checkDocument(document: DocumentNode): void {
  const fragments = new Map<string, FragmentDefinitionNode>()
  for (const definition of document.definitions)
    if (definition.kind === 'FragmentDefinition') fragments.set(definition.name.value, definition)
  const costOf = createCounter(fragments)
  let total = none()
  // Operations of one document are limited together: parsing and validation see all of them.
  for (const definition of document.definitions)
    if (definition.kind === 'OperationDefinition') {
      const cost = costOf(definition.selectionSet)
      // Each is a transaction of its own, and limits count requests.
      if (definition.operation === 'mutation') check('mutation fields', cost.roots, 1)
      total = add(total, cost)
    }
  check('fields', total.fields, QUERY_LIMITS.fieldsMax)
  check('aliases', total.aliases, QUERY_LIMITS.aliasesMax)
  check('__schema', total.schemas, QUERY_LIMITS.schemasMax)
  check('__type', total.types, QUERY_LIMITS.typesMax)
  // With aliases, introspection multiplies what it lists; no tool sends any.
  check('aliases in introspection', total.aliasesInIntrospection, 0)
}

function check(limit: string, found: number, max: number): void {
  if (found > max)
    throw new ApiError(
      'QUERY_TOO_LARGE',
      `The query is too large: ${found} of at most ${max} ${limit}, with every fragment written out.`,
      { limit },
    )
}

function createCounter(fragments: ReadonlyMap<string, FragmentDefinitionNode>) {
  const known = new Map<string, Cost>()

  function costOfFragment(name: string): Cost {
    const cost = known.get(name)
    if (cost) return cost
    // A cycle ends here; validation reports it.
    known.set(name, none())
    const fragment = fragments.get(name)
    const found = fragment ? costOf(fragment.selectionSet) : none()
    known.set(name, found)
    return found
  }

  function costOf({ selections }: SelectionSetNode): Cost {
    let total = none()
    for (const selection of selections) {
      if (selection.kind === 'FragmentSpread') {
        total = add(total, costOfFragment(selection.name.value))
        continue
      }
      const inner = selection.selectionSet ? costOf(selection.selectionSet) : none()
      if (selection.kind === 'InlineFragment') {
        total = add(total, inner)
        continue
      }
      const name = selection.name.value
      total = add(total, { ...inner, roots: name === '__typename' ? 0 : 1 })
      const introspects = name === '__schema' || name === '__type'
      total.fields++
      if (selection.alias) {
        total.aliases++
        // Every row of the response repeats it.
        check('characters in an alias', selection.alias.value.length, QUERY_LIMITS.aliasCharsMax)
      }
      if (name === '__schema') total.schemas++
      if (name === '__type') total.types++
      if (introspects) total.aliasesInIntrospection += inner.aliases
    }
    return total
  }

  return costOf
}

function none(): Cost {
  return { roots: 0, fields: 0, aliases: 0, schemas: 0, types: 0, aliasesInIntrospection: 0 }
}

function add(a: Cost, b: Cost): Cost {
  return {
    roots: a.roots + b.roots,
    fields: a.fields + b.fields,
    aliases: a.aliases + b.aliases,
    schemas: a.schemas + b.schemas,
    types: a.types + b.types,
    aliasesInIntrospection: a.aliasesInIntrospection + b.aliasesInIntrospection,
  }
}
