import type { Admission } from '../admission/admission.ts'
import type { Handler } from './context.ts'
import { respond } from './respond.ts'

/** GET /healthz: 200 while the process runs, with the state of what admission depends on. */
export function health(admission: Pick<Admission, 'health'>): Handler {
  return (c) =>
    respond(c, { status: 200, body: JSON.stringify({ status: 'ok', ...admission.health?.() }) })
}
