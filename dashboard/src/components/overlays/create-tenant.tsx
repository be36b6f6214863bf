import { createSignal } from 'solid-js'
import { createAction, fieldError } from '../../lib/api/action.ts'
import { mutate } from '../../lib/api/client.ts'
import { graphql } from '../../lib/api/graphql.ts'
import { ActionError } from '../forms/action-error.tsx'
import { TextField } from '../forms/text-field.tsx'
import { Dialog } from './dialog.tsx'

const CREATE = graphql(`
  mutation CreateTenant($id: ID!) { createTenant(id: $id) { id } }
`)

/** For the operator: a button, and a form that creates a tenant. */
export default function CreateTenant(props: { onCreated(tenant: string): void }) {
  const [isOpen, setOpen] = createSignal(false)
  const [id, setId] = createSignal('')
  const create = createAction((id: string) => mutate(CREATE, { id }))
  const submit = async (event: SubmitEvent) => {
    event.preventDefault()
    const created = await create.run(id().trim())
    if (!created) return
    setOpen(false)
    props.onCreated(created.createTenant.id)
  }
  return (
    <>
      <button
        type="button"
        class="button"
        onClick={() => {
          setId('')
          create.clear()
          setOpen(true)
        }}
      >
        New tenant
      </button>
      <Dialog title="New tenant" isOpen={isOpen()} onOpenChange={setOpen}>
        <form class="form" onSubmit={submit}>
          <p class="muted">
            A tenant holds the events and numbers of one team, apart from all others.
          </p>
          <TextField
            label="Id of the tenant"
            hint="Lower-case letters, digits and dashes, at most 63. It is part of links and cannot be changed."
            value={id()}
            onInput={setId}
            error={fieldError(create.error(), '/id')}
            required
            maxlength={63}
          />
          <ActionError error={create.error()} />
          <p class="form-actions">
            <button type="submit" class="button primary" disabled={create.isRunning()}>
              Create the tenant
            </button>
          </p>
        </form>
      </Dialog>
    </>
  )
}
