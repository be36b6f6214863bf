import type { AuditActor } from './audit-log.ts'

/** As core/identity/viewer.ts finds them. */
export type AuditedViewer =
  | { kind: 'KEY' }
  | { kind: 'SESSION' }
  | { kind: 'PERSON'; personId: number; name: string | null }

export interface AuditedSender {
  /** `key <id>` for a key. */
  credential: string
  address?: string | undefined
  requestId?: string | undefined
}

/** The sender of a request to an API, as the actor of what it changes. */
export function actorOf(viewer: AuditedViewer, sender: AuditedSender): AuditActor {
  const { address, requestId } = sender
  const from = { address, requestId }
  switch (viewer.kind) {
    case 'KEY':
      return { kind: 'key', keyId: sender.credential.replace(/^key /, ''), ...from }
    case 'PERSON':
      return { kind: 'person', personId: viewer.personId, name: viewer.name ?? '', ...from }
    case 'SESSION':
      return { kind: 'operator', ...from }
  }
}
