import { isUuid } from '../../contract/event/uuid.ts'
import { LIMITS } from '../../contract/limits.ts'
import { badInput } from '../lib/api-error.ts'
import { checkText } from '../lib/check-text.ts'
import { WORKBENCH_LIMITS } from './limits.ts'

/** Which dead letters of a tenant; by value, all of what is given. */
export interface DeadLetterFilter {
  /** Of a group. */
  fingerprint?: string
  reason?: string
  /** Id of an API key. */
  key?: string
  client?: string
  /** Of the event. */
  name?: string
  /** When they were received, RFC 3339; half-open. */
  startTime?: string
  endTime?: string
  ids?: string[]
}

export type FilterInput = {
  [Name in keyof DeadLetterFilter]?: Exclude<DeadLetterFilter[Name], undefined> | null | undefined
}

/** @throws BAD_USER_INPUT */
export function readFilter(input: FilterInput): DeadLetterFilter {
  const filter: DeadLetterFilter = {}
  for (const name of ['fingerprint', 'reason', 'client', 'name'] as const) {
    const value = input[name]
    if (value == null) continue
    if (value.length > LIMITS.labelCharsMax)
      throw badInput(name, `has more than ${LIMITS.labelCharsMax} characters`)
    filter[name] = checkText(name, value)
  }
  if (input.key != null) {
    if (!isUuid(input.key)) throw badInput('key', 'is not the id of an API key')
    filter.key = input.key.toLowerCase()
  }
  for (const name of ['startTime', 'endTime'] as const) {
    const value = input[name]
    if (value == null) continue
    if (Number.isNaN(Date.parse(value))) throw badInput(name, 'is not a time')
    filter[name] = value
  }
  if (input.ids != null) {
    if (input.ids.length > WORKBENCH_LIMITS.filterIdsMax)
      throw badInput('ids', `has more than ${WORKBENCH_LIMITS.filterIdsMax} elements`)
    if (!input.ids.every((id) => /^\d{1,18}$/.test(id)))
      throw badInput('ids', 'has an element that is not the id of a dead letter')
    filter.ids = [...input.ids]
  }
  return filter
}

/** A condition on `dead_letter d`: column, operator and type as SQL, and the value to compare with. */
export interface FilterCondition {
  column: string
  operator: '=' | '>=' | '<' | '= ANY'
  type: string
  value: unknown
}

export function conditionsOf(filter: DeadLetterFilter): FilterCondition[] {
  const { fingerprint, reason, key, client, name, startTime, endTime, ids } = filter
  const all: FilterCondition[] = [
    { column: 'd.fingerprint', operator: '=', type: 'text', value: fingerprint },
    { column: 'd.reason', operator: '=', type: 'text', value: reason },
    { column: 'd.key_id', operator: '=', type: 'uuid', value: key },
    { column: 'd.client', operator: '=', type: 'text', value: client },
    { column: 'd.event_name', operator: '=', type: 'text', value: name },
    { column: 'd.received_at', operator: '>=', type: 'timestamptz', value: startTime },
    { column: 'd.received_at', operator: '<', type: 'timestamptz', value: endTime },
    { column: 'd.dead_letter_id', operator: '= ANY', type: 'bigint[]', value: ids },
  ]
  return all.filter(({ value }) => value !== undefined)
}
