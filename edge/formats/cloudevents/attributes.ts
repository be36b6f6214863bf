import { pointerTo } from '../../../contract/json/json.ts'
import type { Fault } from '../ingest-format.ts'

/** The context attributes of a CloudEvent 1.0, checked. */
export interface Attributes {
  id: string
  source: string
  type: string
  /** As it was sent; the normaliser validates it. */
  time?: string
  subject?: string
  dataschema?: string
  datacontenttype?: string
  /** Names of a–z and 0–9. */
  extensions: Record<string, string | number | boolean>
}

export type ReadAttributes =
  | { ok: true; attributes: Attributes }
  | { ok: false; faults: readonly Fault[] }

const REQUIRED = ['id', 'source', 'type'] as const
const OPTIONAL = ['time', 'subject', 'dataschema', 'datacontenttype'] as const
/** Every other name is an extension's. */
const KNOWN = new Set<string>([...REQUIRED, ...OPTIONAL, 'specversion', 'data', 'data_base64'])

/** @param sent the members of the event's JSON form; `data` and `data_base64` are not looked at */
export function readAttributes(sent: Record<string, unknown>): ReadAttributes {
  const faults: Fault[] = []
  const fault = (name: string, code: Fault['code'], detail: string) =>
    faults.push({ code, pointer: pointerTo([name]), detail })
  const own = (name: string) =>
    // In the JSON format null means that an attribute is absent.
    Object.hasOwn(sent, name) ? (sent[name] ?? undefined) : undefined

  const version = own('specversion')
  if (version === undefined)
    fault('specversion', 'ATTRIBUTE_MISSING', 'is missing: send specversion 1.0')
  else if (version !== '1.0')
    fault('specversion', 'ATTRIBUTE_INVALID', 'must be "1.0"; no other version is supported')
  for (const name of REQUIRED)
    if (own(name) === undefined)
      fault(name, 'ATTRIBUTE_MISSING', 'is missing: a CloudEvent has specversion, id, source, type')
  for (const name of [...REQUIRED, ...OPTIONAL]) {
    const value = own(name)
    const wrong = value === undefined ? undefined : findWrong(value)
    if (wrong) fault(name, 'ATTRIBUTE_INVALID', wrong)
  }

  const extensions: Attributes['extensions'] = {}
  for (const [name, value] of Object.entries(sent)) {
    if (KNOWN.has(name) || value === null) continue
    if (!/^[a-z0-9]+$/.test(name))
      fault(name, 'ATTRIBUTE_INVALID', 'is not a valid attribute name: use only a-z and 0-9')
    else if (typeof value === 'string' && unprintable(value))
      fault(name, 'ATTRIBUTE_INVALID', UNPRINTABLE_DETAIL)
    else if (!isPlain(value))
      fault(name, 'ATTRIBUTE_INVALID', 'must be a string, a whole number or a boolean')
    else extensions[name] = value
  }
  if (faults.length > 0) return { ok: false, faults }
  const text = (name: (typeof OPTIONAL)[number]) => own(name) as string | undefined
  return {
    ok: true,
    attributes: {
      id: own('id') as string,
      source: own('source') as string,
      type: own('type') as string,
      time: text('time'),
      subject: text('subject'),
      dataschema: text('dataschema'),
      datacontenttype: text('datacontenttype'),
      extensions,
    },
  }
}

const UNPRINTABLE_DETAIL = 'contains a control character or half of a surrogate pair'

function findWrong(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return 'must be a string that is not empty'
  return unprintable(value) ? UNPRINTABLE_DETAIL : undefined
}

function unprintable(text: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a CloudEvents String must not contain
  return /[\0-\x1f\x7f-\x9f]/.test(text) || !text.isWellFormed()
}

/** CloudEvents' integers have 32 bits; longer ones are accepted, as long as a double holds them. */
function isPlain(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'boolean' || Number.isInteger(value)
}
