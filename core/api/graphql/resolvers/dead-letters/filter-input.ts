import type { FilterInput } from '../../../../dead-letters/filter.ts'
import type { Builder } from '../../builder.ts'

const created = new WeakMap<Builder, ReturnType<typeof create>>()

/** `DeadLetterFilter`, once for each schema. */
export function filterInput(builder: Builder): ReturnType<typeof create> {
  const known = created.get(builder) ?? create(builder)
  created.set(builder, known)
  return known
}

function create(builder: Builder) {
  return builder.inputRef<FilterInput>('DeadLetterFilter').implement({
    description: 'Which dead letters: by value, all of what is given.',
    fields: (t) => ({
      fingerprint: t.string({ description: 'Of a group.' }),
      reason: t.string(),
      key: t.id({ description: 'Id of an API key.' }),
      client: t.string(),
      name: t.string({ description: 'Of the event.' }),
      startTime: t.field({ type: 'DateTime', description: 'When they were received.' }),
      endTime: t.field({ type: 'DateTime' }),
      ids: t.idList({ description: 'At most 100.' }),
    }),
  })
}
