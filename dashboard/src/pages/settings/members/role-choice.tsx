import { createUniqueId, For } from 'solid-js'
import type { Role } from '../../../lib/api/documents.ts'
import { ROLES } from '../../../lib/roles.ts'

/** One of the roles that somebody may give. */
export function RoleChoice(props: {
  roles: readonly Role[]
  chosen: Role
  choose(role: Role): void
}) {
  const name = createUniqueId()
  return (
    <fieldset class="field radios">
      <legend>Role</legend>
      <For each={props.roles}>
        {(role) => (
          <label class="radio">
            <input
              type="radio"
              name={name}
              value={role}
              checked={props.chosen === role}
              onChange={() => props.choose(role)}
            />
            <span>
              <strong>{ROLES[role].name}</strong> <span class="hint">{ROLES[role].may}</span>
            </span>
          </label>
        )}
      </For>
    </fieldset>
  )
}
