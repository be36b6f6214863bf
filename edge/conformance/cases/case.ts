import type { KeyRecord } from '../../../contract/api-key.ts'
import type { ErrorCode, ItemErrorCode } from '../../../contract/errors.ts'
import type { EdgeRequest } from '../../testing/send.ts'

/** One request, and what it must be answered with: in every runtime the same. */
export interface Case extends EdgeRequest {
  title: string
  /** What kind of key it carries; `null`: none. As `Authorization: Bearer` unless `keyAs` says where. */
  key?: Partial<KeyRecord> | null
  keyAs?: (key: string) => { headers?: Record<string, string>; path?: string }
  status: number
  code?: ErrorCode
  /** Headers of the answer that must be there, with these values. */
  responseHeaders?: Record<string, string | RegExp>
  /** `index pointer CODE`, for each. */
  errors?: string[]
  /**
   * The events in the log, as JSON. Left out: an id that was made, the time received, properties
   * that are empty.
   */
  expectedEvents?: string[]
}

export const EVENT = '{"event":"page_view"}'
export const JSON_TYPE = { 'content-type': 'application/json' }

export const batch = (count: number) => `[${Array(count).fill(EVENT).join(',')}]`
/** `size` bytes of valid JSON. */
export const sized = (size: number) => `[{"event":"a","x":1}${' '.repeat(size - 21)}]`

/** An event with these fields besides its name, which arrive as these properties. */
export const accepted = (title: string, more: string, properties = `{${more}}`): Case => ({
  title,
  body: `{"name":"a",${more}}`,
  status: 202,
  expectedEvents: [`{"name":"a","properties":${properties}}`],
})

/** An event with these fields besides its name, of which one is no good. */
export const rejected = (
  title: string,
  more: string,
  pointer: string,
  code: ItemErrorCode,
): Case => ({
  title,
  body: `{"name":"a",${more}}`,
  status: 422,
  code: 'EVENTS_INVALID',
  errors: [`0 ${pointer} ${code}`],
})

/** A body that is refused as a whole. */
export const rejectedBody = (title: string, body: string | Uint8Array, code: ErrorCode): Case => ({
  title,
  body,
  status: code === 'BATCH_EMPTY' ? 422 : 400,
  code,
})
