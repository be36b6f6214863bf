import * as Combobox from '@kobalte/core/combobox'
import { createEffect, createSignal, Match, onMount, Switch } from 'solid-js'
import { execute } from '../lib/api/client.ts'
import { FIND_TENANTS } from '../lib/api/documents.ts'
import { createQuery } from '../lib/api/query.ts'
import { useApp } from '../lib/app-context.ts'

const SHOWN_MAX = 80

interface TenantOption {
  id: string
  isCurrent: boolean
}

/** Type to search, arrows to move, Enter to choose: the best match where none is highlighted. */
export default function TenantSearch(props: { onDone(): void }) {
  const { urlState, tenant } = useApp()
  const [typed, setTyped] = createSignal('')
  const [isEntered, setEntered] = createSignal(false)
  const search = () => typed().trim()
  const result = createQuery({
    scope: () => 'tenants',
    variables: () => ({ search: search(), first: SHOWN_MAX + 1 }),
    async fetch(variables) {
      const found = await execute(FIND_TENANTS, variables)
      if (!found.ok) return found
      const ids = found.data.viewer.tenants.map(({ id }) => id)
      return { ok: true, data: { search: variables.search, ids } }
    },
  })
  const isCurrent = () => result.data()?.search === search()
  const found = (): TenantOption[] =>
    (result.data()?.ids ?? []).slice(0, SHOWN_MAX).map((id) => ({ id, isCurrent: id === tenant() }))
  let input!: HTMLInputElement
  onMount(() => input.focus())

  const choose = (option: TenantOption | null | undefined) => {
    if (!option) return
    urlState.set({ tenant: option.id, name: null })
    props.onDone()
  }
  // Enter may be quicker than the response: never chosen from the matches of an earlier text.
  createEffect(() => {
    if (!isEntered() || !isCurrent()) return
    setEntered(false)
    choose(found()[0])
  })
  return (
    <Combobox.Root<TenantOption>
      class="zone-panel"
      open
      allowsEmptyCollection
      options={found()}
      optionValue="id"
      optionTextValue="id"
      optionLabel="id"
      defaultFilter={() => true}
      placeholder="Part of the tenant’s name"
      onInputChange={(text) => {
        setEntered(false)
        setTyped(text)
      }}
      onChange={choose}
      itemComponent={(item) => (
        <Combobox.Item item={item.item} class="option" data-current={item.item.rawValue.isCurrent}>
          <span>{item.item.rawValue.id}</span>
          <span class="hint">{item.item.rawValue.isCurrent ? 'selected' : ''}</span>
        </Combobox.Item>
      )}
    >
      <Combobox.Control>
        <Combobox.Input
          ref={input}
          class="search"
          aria-label="Search tenants"
          onKeyDown={(event: KeyboardEvent) => {
            if (event.key === 'Enter' && !input.getAttribute('aria-activedescendant'))
              setEntered(true)
          }}
        />
      </Combobox.Control>
      <Combobox.Listbox class="zone-list" aria-label="Tenants" />
      <Switch>
        <Match when={result.error()}>
          <p class="hint" role="alert">
            The tenants could not be searched. Retrying.
          </p>
        </Match>
        <Match when={isCurrent() && found().length === 0}>
          <p class="hint">No tenant matches.</p>
        </Match>
        <Match when={(result.data()?.ids.length ?? 0) > SHOWN_MAX}>
          <p class="hint">There are more. Type to narrow the list.</p>
        </Match>
      </Switch>
    </Combobox.Root>
  )
}
