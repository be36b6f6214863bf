import type { ApiErrorCode } from '../../../../contract/api-errors.ts'
import { ApiError } from '../../../lib/api-error.ts'

/** @throws ApiError of this code for text that is not a UUID: nothing has such an id */
export function checkUuid(text: string, code: ApiErrorCode): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text.toLowerCase()
  throw new ApiError(code)
}
