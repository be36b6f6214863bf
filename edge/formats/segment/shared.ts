import { findUnstorable } from '../../../contract/event/storable.ts'
import { isObject } from '../../../contract/json/is-object.ts'
import { LIMITS } from '../../../contract/limits.ts'
import type { Fields } from '../common/add-members.ts'
import { isCopiable } from '../common/read-batch.ts'
import type { Fault } from '../ingest-format.ts'
import type { Shared } from './message.ts'

export type ReadShared = { ok: true; shared: Shared } | { ok: false; fault: Fault }

/**
 * What an envelope holds once for all of its messages. It is copied into every event, so all copies
 * together may be no larger than a body.
 * @param count of the messages
 */
export function readShared(envelope: Fields, count: number): ReadShared {
  if (count > LIMITS.logAppendRecordsMax)
    return tooLarge(
      '/batch',
      `holds ${count.toLocaleString('en')} messages; at most ${LIMITS.logAppendRecordsMax.toLocaleString('en')} are accepted at once`,
    )
  const shared: Shared = {}
  for (const name of ['context', 'integrations'] as const) {
    const value = envelope[name]
    if (value === undefined || value === null) continue
    if (!isObject(value))
      return {
        ok: false,
        fault: { pointer: `/${name}`, code: 'CONTEXT_INVALID', detail: 'must be a JSON object' },
      }
    // An object of bounded depth can be serialised without running out of stack.
    const fault = findUnstorable(value, [name], { keys: LIMITS.propertiesKeysMax })
    if (fault) return { ok: false, fault }
    if (!isCopiable(value, count))
      return tooLarge(`/${name}`, `is too large to be copied into ${count} messages`)
    shared[name] = value
  }
  return { ok: true, shared }
}

function tooLarge(pointer: string, detail: string): ReadShared {
  return { ok: false, fault: { pointer, code: 'EVENT_TOO_LARGE', detail } }
}
