import type { Context } from 'hono'
import type { z } from 'zod'
import { ApiError, badInput } from '../../../lib/api-error.ts'
import { readJson } from '../../http/read-json.ts'

/** The body as this schema has it. @throws BAD_USER_INPUT with a pointer */
export async function readBody<Schema extends z.ZodType>(
  c: Context,
  schema: Schema,
): Promise<z.infer<Schema>> {
  const parsed = schema.safeParse(await readJson(c))
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const path = issue?.code === 'unrecognized_keys' ? [issue.keys[0] ?? ''] : (issue?.path ?? [])
  const name = path.map(String).join('.') || 'the body'
  const pointer = path
    .map((each) => `/${String(each).replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('')
  const reason =
    issue?.code === 'unrecognized_keys' ? 'is not a member of this body' : issue?.message
  throw new ApiError('BAD_USER_INPUT', `${name} ${reason}`, { pointer })
}

/** The version that a change was made for: of the body, or of If-Match. @throws BAD_USER_INPUT without one */
export function versionFor(c: Context, inBody: number | undefined): number {
  const [, inHeader] = /^"(\d{1,9})"$/.exec(c.req.header('if-match') ?? '') ?? []
  const version = inBody ?? (inHeader === undefined ? undefined : Number(inHeader))
  if (version === undefined) throw badInput('version', 'is missing, and so is If-Match')
  return version
}
