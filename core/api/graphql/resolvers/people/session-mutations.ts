import { endOwnSession, endOwnSessions } from '../../../../identity/people/own-sessions.ts'
import type { Viewer } from '../../../../identity/viewer.ts'
import { ApiError } from '../../../../lib/api-error.ts'
import type { Builder } from '../../builder.ts'
import { needs } from '../../permissions.ts'
import { checkUuid } from '../check-uuid.ts'
import type { BeginPeopleChange } from './people-changes.ts'

/** Whose sessions are the viewer's own; null: those by login links. */
export function ownerOf(viewer: Viewer): number | null {
  if (viewer.kind === 'KEY') throw new ApiError('FORBIDDEN')
  return viewer.kind === 'PERSON' ? viewer.personId : null
}

export function addSessionMutations(builder: Builder, begin: BeginPeopleChange): void {
  builder.mutationField('endSession', (t) =>
    t.boolean({
      ...needs('own-sessions'),
      description: 'Ends one of the own sessions; SESSION_NOT_FOUND for any other id.',
      args: { id: t.arg.id({ required: true }) },
      async resolve(_, { id }, context) {
        const { viewer, peopleDb } = context
        const { actor: by } = begin(context)
        const sessionId = checkUuid(id, 'SESSION_NOT_FOUND')
        const isEnded = await endOwnSession(peopleDb, {
          owner: ownerOf(viewer),
          sessionId,
          by,
        })
        if (!isEnded) throw new ApiError('SESSION_NOT_FOUND')
        return true
      },
    }),
  )
  builder.mutationField('endAllSessions', (t) =>
    t.int({
      ...needs('own-sessions'),
      description:
        'Ends all own sessions, but for the one of this request unless that is named too; returns how many.',
      args: { includingThis: t.arg.boolean({ defaultValue: false }) },
      resolve(_, { includingThis }, context) {
        const { viewer, peopleDb } = context
        const { actor: by } = begin(context)
        return endOwnSessions(peopleDb, {
          owner: ownerOf(viewer),
          except: includingThis || viewer.kind === 'KEY' ? undefined : viewer.session?.sessionId,
          by,
        })
      },
    }),
  )
}
