import type { KeyRecord } from '../../../contract/api-key.ts'
import type { ErrorCode, ItemErrorCode } from '../../../contract/errors.ts'
import type { EdgeRequest } from '../../testing/send.ts'

/** One request and its expected response, the same in every runtime. */
export interface Case extends EdgeRequest {
  title: string
  /** The API key to create for it; `null` sends none. Sent as `Authorization: Bearer` unless `keyAs` is set. */
  key?: Partial<KeyRecord> | null
  keyAs?: (key: string) => { headers?: Record<string, string>; path?: string }
  status: number
  code?: ErrorCode
  /** Expected headers of the response. */
  responseHeaders?: Record<string, string | RegExp>
  /** `index pointer CODE` of each expected error. */
  errors?: string[]
  /**
   * The expected events in the log, as JSON, without generated ids, the time received and empty
   * properties.
   */
  expectedEvents?: string[]
}

export const EVENT = '{"event":"page_view"}'
export const JSON_TYPE = { 'content-type': 'application/json' }

export const batch = (count: number) => `[${Array(count).fill(EVENT).join(',')}]`
/** `size` bytes of valid JSON. */
export const sized = (size: number) => `[{"event":"a","x":1}${' '.repeat(size - 21)}]`

/** An event with these extra members, which must arrive as these properties. */
export const accepted = (title: string, more: string, properties = `{${more}}`): Case => ({
  title,
  body: `{"name":"a",${more}}`,
  status: 202,
  expectedEvents: [`{"name":"a","properties":${properties}}`],
})

/** An event with these extra members, of which one is invalid. */
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

/** A body that is rejected as a whole. */
export const rejectedBody = (title: string, body: string | Uint8Array, code: ErrorCode): Case => ({
  title,
  body,
  status: code === 'BATCH_EMPTY' ? 422 : 400,
  code,
})
