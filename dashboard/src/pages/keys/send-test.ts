import { execute } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'

const STORED = graphql(`
  query TestEvent($tenant: ID, $id: ID!) { event(tenant: $tenant, id: $id) { receivedAt storedAt } }
`)
const SEND_MS_MAX = 10_000
/** For so long the event is looked for once it is accepted. */
const STORED_MS_MAX = 20_000
const POLL_MS = 1_000

export type TestOutcome =
  | { kind: 'sending' }
  | { kind: 'accepted'; requestId: string | undefined }
  /** @param afterMs by the server's clocks, from receipt */
  | { kind: 'stored'; afterMs: number; requestId: string | undefined }
  /** The edge accepted it, and it was not stored in time. */
  | { kind: 'waiting'; requestId: string | undefined }
  | { kind: 'refused'; status: number; detail: string; requestId: string | undefined }
  | { kind: 'unreachable' }

export interface KeyTest {
  edgeUrl: string
  tenant: string
  secret: string
}

/** Sends one event as a website would, and follows it until it is stored. Never throws. */
export async function sendTest(
  { edgeUrl, tenant, secret }: KeyTest,
  report: (outcome: TestOutcome) => void,
  isOver: () => boolean,
): Promise<void> {
  report({ kind: 'sending' })
  const id = crypto.randomUUID()
  const response = await post(edgeUrl, secret, id)
  if (!response) return report({ kind: 'unreachable' })
  const requestId = response.headers.get('x-request-id') ?? undefined
  if (!response.ok) {
    const { status } = response
    return report({ kind: 'refused', status, detail: await detailOf(response), requestId })
  }
  report({ kind: 'accepted', requestId })
  for (const until = Date.now() + STORED_MS_MAX; Date.now() < until && !isOver(); ) {
    const found = await execute(STORED, { tenant, id })
    const event = found.ok ? found.data.event : undefined
    if (event) {
      const afterMs = Date.parse(event.storedAt) - Date.parse(event.receivedAt)
      return report({ kind: 'stored', afterMs, requestId })
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  report({ kind: 'waiting', requestId })
}

async function post(edgeUrl: string, secret: string, id: string): Promise<Response | undefined> {
  try {
    return await fetch(`${edgeUrl.replace(/\/+$/, '')}/v1/events`, {
      method: 'POST',
      credentials: 'omit',
      headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ event_id: id, event: TEST_EVENT }),
      signal: AbortSignal.timeout(SEND_MS_MAX),
    })
  } catch {
    return undefined
  }
}

/** What the event is called, so that queries can leave it out. */
export const TEST_EVENT = 'sluice_key_test'

async function detailOf(response: Response): Promise<string> {
  try {
    const { detail, title } = (await response.json()) as { detail?: string; title?: string }
    return detail ?? title ?? `Status ${response.status}.`
  } catch {
    return `Status ${response.status}.`
  }
}
